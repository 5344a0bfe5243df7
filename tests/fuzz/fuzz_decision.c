// SPDX-License-Identifier: GPL-2.0
/*
 * CrowdSec's stream from a stranger. The first byte says how it is cut in chunks and whether it is a full answer: the records
 * pass their own check, however it was cut, and a cut one gives the same records as a whole one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/decision.h"

static int parse(const char *text, size_t len, size_t step, bool is_full, void **ret_data, size_t *ret_len)
{
	struct decision_parser *parser = decision_parser_new(1000, is_full);
	size_t at, n;
	int err = 0;

	if (!parser)
		return -1;
	for (at = 0; at < len && !err; at += n) {
		n = len - at < step ? len - at : step;
		err = decision_parser_push(parser, text + at, n);
	}
	if (!err)
		err = decision_parser_end(parser, ret_data, ret_len);
	if (err && !strcmp(decision_parser_why(parser), "no error"))
		abort();
	decision_parser_free(parser);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *whole = NULL, *cut = NULL;
	size_t whole_len = 0, cut_len = 0;
	struct decision_view view;
	int err;

	(void)decision_check(data, size, &view);
	if (!size)
		return 0;
	err = parse((const char *)data + 1, size - 1, size, data[0] & 1, &whole, &whole_len);
	if (err != parse((const char *)data + 1, size - 1, 1 + data[0] / 2, data[0] & 1, &cut, &cut_len))
		abort();
	if (!err && (whole_len != cut_len || memcmp(whole, cut, cut_len) || decision_check(whole, whole_len, &view)))
		abort();
	free(whole);
	free(cut);
	return 0;
}
