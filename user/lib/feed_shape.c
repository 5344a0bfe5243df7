// SPDX-License-Identifier: GPL-2.0
/* The rows, from the publishers' own files and documents; and how a path is matched. */
#include "feed_shape.h"

#include <string.h>

#include "fetch_msg.h"

const struct feed_shape feed_shapes[] = {
	{ .format = FETCH_AWS,
	  .name = "AWS ip-ranges",
	  .paths = "prefixes[].ip_prefix,ipv6_prefixes[].ipv6_prefix" },
	{ .format = FETCH_AWS_IPSET, .name = "an AWS WAF IP set", .paths = "IPSet.Addresses[]" },
	{ .format = FETCH_GOOGLE,
	  .name = "Google's ranges",
	  .paths = "prefixes[].ipv4Prefix,prefixes[].ipv6Prefix" },
	{ .format = FETCH_GITHUB,
	  .name = "GitHub meta",
	  .paths = "*[]",
	  .except = "ssh_keys[]",
	  .sign = "verifiable_password_authentication" },
	{ .format = FETCH_CLOUDFLARE,
	  .name = "Cloudflare's API",
	  .paths = "result.ipv4_cidrs[],result.ipv6_cidrs[],result.jdcloud_cidrs[]" },
	{ .format = FETCH_ATLASSIAN, .name = "Atlassian's ranges", .paths = "items[].cidr" },
	{ .format = FETCH_MISP, .name = "a MISP warninglist", .paths = "list[]" },
	{ .format = FETCH_ABUSEIPDB, .name = "AbuseIPDB's blacklist", .paths = "data[].ipAddress" },
	{ .format = FETCH_SPAMHAUS_JSON,
	  .name = "Spamhaus DROP lines",
	  .paths = "cidr",
	  .is_lines = true },
	{ .format = FETCH_CROWDSEC, .name = "CrowdSec decisions for import", .paths = "[].value" },
	{ .format = FETCH_RIR,
	  .name = "a country's RIR prefixes",
	  .paths = "prefixes.ipv4[],prefixes.ipv6[]" },
	{ .format = FETCH_JSON, .name = "Feodo Tracker", .paths = "[].ip_address" },
	{ .format = FETCH_JSON, .name = "CDN77's prefixes", .paths = "prefixes[].prefix" },
	{ .format = FETCH_JSON,
	  .name = "OVHcloud's prefixes",
	  .paths = "IPv4Prefixes[],IPv6Prefixes[]" },
	{ .format = FETCH_JSON, .name = "Zscaler's hubs", .paths = "hubPrefixes[]" },
	{ .format = FETCH_JSON,
	  .name = "Fastly's ranges",
	  .paths = "addresses[],ipv6_addresses[]",
	  .sign = "ipv6_addresses[]" },
	{ .format = FETCH_JSON,
	  .name = "Oracle Cloud's ranges",
	  .paths = "regions[].cidrs[].cidr" },
	{ .format = FETCH_JSON,
	  .name = "Azure's service tags",
	  .paths = "values[].properties.addressPrefixes[]" },
	{ .format = FETCH_JSON, .name = "an array of addresses", .paths = "[]" },
	{ .refuse =
	      "a CrowdSec decision stream, which is no list: export one with cscli decisions list -o json",
	  .paths = "new[].value" },
};
const unsigned feed_shapes_n = sizeof(feed_shapes) / sizeof(feed_shapes[0]);

const struct feed_shape *feed_shape_of(uint32_t format)
{
	if (format == FETCH_JSON)
		return NULL;
	for (unsigned i = 0; i < feed_shapes_n; i++)
		if (feed_shapes[i].format == format)
			return &feed_shapes[i];
	return NULL;
}

/* Does @path match the @len bytes at @pattern? */
static bool matches(const char *pattern, size_t len, const char *path)
{
	const char *end = pattern + len;

	for (; pattern < end; pattern++) {
		if (*pattern == '*') {
			size_t n = strcspn(path, ".[");

			if (!n)
				return false;
			path += n;
		} else if (*path++ != *pattern) {
			return false;
		}
	}
	return !*path;
}

bool feed_select_has(const char *select, const char *path)
{
	while (*select) {
		size_t len = strcspn(select, ", ");

		if (len && matches(select, len, path))
			return true;
		select += len;
		select += strspn(select, ", ");
	}
	return false;
}

bool feed_select_is_good(const char *select)
{
	bool has_path = false;

	for (const char *c = select; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			return false;
	while (*select) {
		size_t len = strcspn(select, ", ");

		for (size_t i = 0; i < len; i++) {
			if (select[i] == '[' && (i + 1 == len || select[i + 1] != ']'))
				return false;
			if (select[i] == ']' && (!i || select[i - 1] != '['))
				return false;
			if (select[i] == '.' &&
			    (!i || i + 1 == len || select[i + 1] == '.' || select[i + 1] == '['))
				return false;
		}
		has_path |= len > 0;
		select += len;
		select += strspn(select, ", ");
	}
	return has_path;
}
