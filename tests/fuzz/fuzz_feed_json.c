// SPDX-License-Identifier: GPL-2.0
/* Every JSON format, from any bytes: see feed_fuzz.h for what must hold. */
#include "feed_fuzz.h"
#include "lib/fetch_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t formats[] = {FETCH_JSON,       FETCH_NDJSON,        FETCH_AWS,
					   FETCH_AWS_IPSET,  FETCH_GOOGLE,        FETCH_GITHUB,
					   FETCH_CLOUDFLARE, FETCH_ATLASSIAN,     FETCH_MISP,
					   FETCH_ABUSEIPDB,  FETCH_SPAMHAUS_JSON, FETCH_CROWDSEC,
					   FETCH_RIR};

	feed_fuzz(formats, sizeof(formats) / sizeof(formats[0]), data, size);
	return 0;
}
