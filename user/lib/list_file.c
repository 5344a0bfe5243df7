// SPDX-License-Identifier: GPL-2.0
/* The check of a list that came from a fetcher or from disk: nothing in it is believed before. */
#include "list_file.h"

#include <errno.h>
#include <sekisho/limits.h>
#include <string.h>

#include "fetch_msg.h"

uint64_t list_file_checksum(const void *data, size_t len)
{
	const unsigned char *at = data;
	uint64_t sum = 0x9e3779b97f4a7c15ull ^ len, word;

	while (len) {
		size_t n = len < 8 ? len : 8;

		word = 0;
		memcpy(&word, at, n);
		sum = (sum ^ word) * 0xff51afd7ed558ccdull;
		sum ^= sum >> 32;
		at += n;
		len -= n;
	}
	return sum;
}

static bool is_good4(const struct prefix4 *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (v[i].len < 1 || v[i].len > 32 || v[i].addr & ~(~0u << (32 - v[i].len)))
			return false;
		if (i && (v[i - 1].addr > v[i].addr ||
			  (v[i - 1].addr == v[i].addr && v[i - 1].len >= v[i].len)))
			return false;
	}
	return true;
}

static bool is_good6(const struct prefix6 *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct prefix6 *p = &v[i], *q = i ? p - 1 : NULL;
		uint64_t host_hi = p->len >= 64 ? 0 : UINT64_MAX >> p->len;
		uint64_t host_lo = p->len <= 64    ? UINT64_MAX
				   : p->len >= 128 ? 0
						   : UINT64_MAX >> (p->len - 64);

		if (p->len < 1 || p->len > 128 || p->hi & host_hi || p->lo & host_lo)
			return false;
		if (!q || q->hi < p->hi || (q->hi == p->hi && q->lo < p->lo))
			continue;
		if (q->hi != p->hi || q->lo != p->lo || q->len >= p->len)
			return false;
	}
	return true;
}

static const char *why_bad_head(const struct list_head *head, size_t len)
{
	uint64_t want;

	if (head->magic != LIST_MAGIC)
		return "not a list file";
	if (head->version != LIST_VERSION && head->version != 1)
		return "list file of another version";
	if (head->n4 > SEK_PREFIXES_V4_MAX || head->n6 > SEK_PREFIXES_V6_MAX ||
	    head->n_errors > LIST_ERRORS_MAX)
		return "counts over their limits";
	want = sizeof(*head) + (uint64_t)head->n4 * sizeof(struct prefix4) +
	       (uint64_t)head->n6 * sizeof(struct prefix6) +
	       head->n_errors * sizeof(struct list_error) +
	       (head->version > 1 ? sizeof(struct list_origin) : 0);
	if (want != len)
		return "size and counts disagree";
	if (list_file_checksum(head + 1, len - sizeof(*head)) != head->checksum)
		return "checksum differs";
	return NULL;
}

int list_file_check(const void *data, size_t len, struct list_view *ret_view, const char **ret_why)
{
	struct list_view view = { .head = data };
	const char *why;

	if (len < sizeof(struct list_head)) {
		*ret_why = "shorter than its head";
		return -EBADMSG;
	}
	why = why_bad_head(view.head, len);
	if (!why) {
		view.v4 = (const void *)(view.head + 1);
		view.v6 = (const void *)(view.v4 + view.head->n4);
		view.errors = (const void *)(view.v6 + view.head->n6);
		if (!is_good4(view.v4, view.head->n4) || !is_good6(view.v6, view.head->n6))
			why = "a prefix is invalid or out of order";
		view.origin = view.head->version > 1
				  ? (const void *)(view.errors + view.head->n_errors)
				  : NULL;
		if (view.origin && !memchr(view.origin->why, 0, sizeof(view.origin->why)))
			why = "its origin is no text";
		if (view.origin && view.origin->format >= FETCH_FORMAT_MAX)
			why = "its origin is of no known format";
		for (uint32_t i = 0; !why && i < view.head->n_errors; i++)
			if (view.errors[i].text_len > sizeof(view.errors[i].text))
				why = "an error row is invalid";
	}
	if (why) {
		*ret_why = why;
		return -EBADMSG;
	}
	*ret_view = view;
	return 0;
}
