// SPDX-License-Identifier: GPL-2.0
/*
 * CrowdSec's decisions: the JSON of its /v1/decisions/stream in, in chunks of any size, records
 * out. The fetcher writes them to a sealed memfd, the engine checks them and puts them in force:
 *
 *   struct decision_head | struct decision[n_new] | struct decision_gone[n_gone]
 *
 * Both parts are sorted by id, each id once. Bans of addresses and ranges alone become records;
 * what is not taken is counted.
 * Source: pkg/models/localapi_swagger.yaml of crowdsec, and what versions 1.4.6 and later answer.
 */
#pragma once

#include "prefix.h"

#define DECISION_MAGIC 0x31434544534b4553ull
/* crowdsec, cscli, CAPI, lists, console, cscli-import, remediation_sync */
#define DECISION_ORIGIN_BYTES 24
#define DECISION_SCENARIO_BYTES 72 /* of the hub's names the longest have about 60 */

/* Why a decision was not taken: index into decision_ignored_text(). */
enum decision_ignored {
	DECISION_TYPE = 0, /* captcha, throttle and others: no ban */
	DECISION_SCOPE,    /* Country, AS and others: no address */
	DECISION_VALUE,    /* its value is no address or range, or /0 */
	DECISION_DURATION, /* its duration is none, or longer than Go can say */
	DECISION_ENDED,    /* it has ended already */
	/* it has no id that can be told apart, or another address has the same */
	DECISION_ID,
	/* it covers a protected address, or is too wide: told by the engine, not the parser */
	DECISION_REFUSED,
	DECISION_IGNORED_MAX,
};

struct decision_head {
	uint64_t magic;
	uint32_t n_new, n_gone;
	uint64_t ignored[DECISION_IGNORED_MAX];
};
_Static_assert(sizeof(struct decision_head) == 72, "between processes");

struct decision {
	int64_t id; /* from 1 */
	struct prefix prefix;
	uint32_t pad;
	int64_t left_s; /* until it ends, at least 1 */
	char origin[DECISION_ORIGIN_BYTES]; /* both: printable ASCII with a NUL */
	char scenario[DECISION_SCENARIO_BYTES];
};
_Static_assert(sizeof(struct decision) == 136, "between processes");

/* A decision that is over. */
struct decision_gone {
	int64_t id;
	struct prefix prefix;
	uint32_t pad;
};
_Static_assert(sizeof(struct decision_gone) == 32, "between processes");

/* The parts of checked records; pointers into the caller's mapping. */
struct decision_view {
	const struct decision_head *head;
	const struct decision *fresh;
	const struct decision_gone *gone;
};

/* Short name of @ignored for tables and labels. Never NULL. */
const char *decision_ignored_text(enum decision_ignored ignored);

/*
 * Seconds of a Go duration such as 3h51m57.36s, -17h44m25s or 0: parts of second are rounded up.
 * Errors: -EINVAL no such text; -ERANGE more than Go can say (292 years).
 * Source: ParseDuration of Go's package time.
 */
int decision_duration(const char *text, size_t len, int64_t *ret_s);

/*
 * The share of the routable space of IPv4 or of IPv6, whichever is greater, that @view's new
 * decisions hold; 0..1, as policy_coverage(). Errors: -ENOMEM.
 */
int decision_coverage(const struct decision_view *view, double *ret_share);

struct decision_parser;

/*
 * A parser that takes at most @max decisions. @is_full: the answer to startup=true, whose "deleted"
 * is left out: what is not in "new" is over. NULL: out of memory.
 */
struct decision_parser *decision_parser_new(uint32_t max, bool is_full);
void decision_parser_free(struct decision_parser *parser);

/*
 * Reads @len more bytes; after an error nothing may follow but decision_parser_free().
 * Errors: -EBADMSG not JSON, or no stream of decisions; -E2BIG more than the maximum; -ENOMEM.
 */
int decision_parser_push(struct decision_parser *parser, const char *bytes, size_t len);

/* The text has ended: hands over the records in @ret_data (to be freed). Errors: the same. */
int decision_parser_end(struct decision_parser *parser, void **ret_data, size_t *ret_len);

/* Why the last call failed: one line. Never NULL. */
const char *decision_parser_why(const struct decision_parser *parser);

/*
 * Checks @len bytes at @data, which anyone may have written: sizes, order, prefixes, texts.
 * Errors: -EBADMSG. *ret_view is written only on success.
 */
int decision_check(const void *data, size_t len, struct decision_view *ret_view);
