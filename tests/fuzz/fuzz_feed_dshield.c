// SPDX-License-Identifier: GPL-2.0
/* DShield's rows, from any bytes: see feed_fuzz.h for what must hold. */
#include "feed_fuzz.h"
#include "lib/fetch_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t formats[] = {FETCH_DSHIELD};

	feed_fuzz(formats, sizeof(formats) / sizeof(formats[0]), data, size);
	return 0;
}
