// SPDX-License-Identifier: GPL-2.0
/*
 * Records of decisions: their durations, names and the check of a stranger's. The JSON is read in
 * decision_parse.c.
 */
#include "decision.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

#define GO_MAX_S 9223372036.0 /* 2^63 - 1 ns */

const char *decision_ignored_text(enum decision_ignored ignored)
{
	static const char *const texts[DECISION_IGNORED_MAX] = {
		[DECISION_TYPE] = "type",         [DECISION_SCOPE] = "scope",
		[DECISION_VALUE] = "value",       [DECISION_DURATION] = "duration",
		[DECISION_ENDED] = "ended",       [DECISION_ID] = "id",
		[DECISION_REFUSED] = "protected",
	};

	return ignored < DECISION_IGNORED_MAX ? texts[ignored] : "other";
}

/* Seconds of the unit at @text, and its length; 0: no unit. */
static double unit_of(const char *text, size_t len, size_t *ret_len)
{
	static const struct {
		const char *name;
		double s;
	} units[] = { /* the longer of two that begin alike first */
		{ "ns", 1e-9 }, { "us", 1e-6 }, { "\xc2\xb5s", 1e-6 }, { "\xce\xbcs", 1e-6 }, { "ms", 1e-3 },
		{ "s", 1 }, { "m", 60 }, { "h", 3600 },
	};
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		*ret_len = strlen(units[i].name);
		if (*ret_len <= len && !memcmp(text, units[i].name, *ret_len))
			return units[i].s;
	}
	return 0;
}

/* Digits with perhaps a point among them; false where there is no digit. */
static bool read_number(const char **at, const char *end, double *ret_value)
{
	double value = 0, place = 0;
	bool has_digit = false;

	for (; *at < end; (*at)++) {
		if (**at == '.' && place == 0) {
			place = 1;
			continue;
		}
		if (**at < '0' || **at > '9')
			break;
		has_digit = true;
		place /= 10;
		value = place > 0 ? value + place * (**at - '0') : value * 10 + (**at - '0');
	}
	*ret_value = value;
	return has_digit;
}

int decision_duration(const char *text, size_t len, int64_t *ret_s)
{
	const char *at = text, *end = text + len;
	double sum = 0, value, unit;
	bool is_negative = len && *at == '-';
	size_t unit_len;
	int64_t whole;

	at += len && (*at == '-' || *at == '+');
	if (end - at == 1 && *at == '0') {
		*ret_s = 0;
		return 0;
	}
	if (at == end)
		return -EINVAL;
	while (at < end) {
		if (!read_number(&at, end, &value))
			return -EINVAL;
		unit = unit_of(at, (size_t)(end - at), &unit_len);
		if (unit == 0)
			return -EINVAL;
		at += unit_len;
		sum += value * unit;
		if (!(sum <= GO_MAX_S))
			return -ERANGE;
	}
	whole = (int64_t)sum;
	whole += sum > (double)whole; /* a ban is not cut short */
	*ret_s = is_negative ? -whole : whole;
	return 0;
}

static bool is_prefix(const struct prefix *prefix)
{
	unsigned max = prefix->family == 4 ? 32 : 128, bit;

	if ((prefix->family != 4 && prefix->family != 6) || prefix->len < 1 || prefix->len > max ||
	    prefix->pad[0] || prefix->pad[1])
		return false;
	for (bit = prefix->len; bit < 128; bit++) {
		if (prefix->addr_be[bit / 8] & (0x80 >> (bit % 8)))
			return false;
	}
	return true;
}

static bool is_text(const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size && text[i]; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return false;
	}
	return i < size;
}

static bool is_decision(const struct decision *one)
{
	return one->id > 0 && one->left_s > 0 && (double)one->left_s <= GO_MAX_S + 1 &&
	       is_prefix(&one->prefix) && is_text(one->origin, sizeof(one->origin)) &&
	       is_text(one->scenario, sizeof(one->scenario));
}

int decision_check(const void *data, size_t len, struct decision_view *ret_view)
{
	const struct decision_head *head = data;
	struct decision_view view = { .head = head };
	uint32_t i;

	if (len < sizeof(*head) || head->magic != DECISION_MAGIC ||
	    len != sizeof(*head) + (size_t)head->n_new * sizeof(struct decision) +
			    (size_t)head->n_gone * sizeof(struct decision_gone))
		return -EBADMSG;
	view.fresh = (const void *)(head + 1);
	view.gone = (const void *)(view.fresh + head->n_new);
	for (i = 0; i < head->n_new; i++) {
		if (!is_decision(&view.fresh[i]) || (i && view.fresh[i - 1].id >= view.fresh[i].id))
			return -EBADMSG;
	}
	for (i = 0; i < head->n_gone; i++) {
		if (view.gone[i].id < 1 || !is_prefix(&view.gone[i].prefix) ||
		    (i && view.gone[i - 1].id >= view.gone[i].id))
			return -EBADMSG;
	}
	*ret_view = view;
	return 0;
}

int decision_coverage(const struct decision_view *view, double *ret_share)
{
	uint32_t n = view->head->n_new, i;
	struct prefix4 *v4 = calloc(n + 1, sizeof(*v4));
	struct prefix6 *v6 = calloc(n + 1, sizeof(*v6));
	struct policy_list list = { .v4 = v4, .v6 = v6 };
	double share4, share6;

	for (i = 0; v4 && v6 && i < n; i++) {
		if (view->fresh[i].prefix.family == 4)
			v4[list.n4++] = prefix_to4(&view->fresh[i].prefix);
		else
			v6[list.n6++] = prefix_to6(&view->fresh[i].prefix);
	}
	if (v4 && v6) {
		qsort(v4, list.n4, sizeof(*v4), prefix4_compare);
		qsort(v6, list.n6, sizeof(*v6), prefix6_compare);
		share4 = policy_coverage(&list, 4);
		share6 = policy_coverage(&list, 6);
		*ret_share = share4 > share6 ? share4 : share6;
	}
	i = v4 && v6;
	free(v4);
	free(v6);
	return i ? 0 : -ENOMEM;
}
