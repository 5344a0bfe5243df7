// SPDX-License-Identifier: GPL-2.0
/* Every format with fields and separators, from any bytes: see feed_fuzz.h for what must hold. */
#include "feed_fuzz.h"
#include "lib/fetch_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t formats[] = {FETCH_CSV, FETCH_ABUSE_CH, FETCH_GEOFEED, FETCH_MAXMIND};

	feed_fuzz(formats, sizeof(formats) / sizeof(formats[0]), data, size);
	return 0;
}
