// SPDX-License-Identifier: GPL-2.0
/*
 * CrowdSec's stream from a stranger. The first byte says how it is cut in chunks and whether it is a full answer: the records
 * pass their own check, however it was cut, and a cut one gives the same records as a whole one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/decision.h"
#include "told.h"

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

static void tell(FILE *told, const struct decision_view *view)
{
	char text[PREFIX_TEXT_BYTES];
	uint32_t i;

	fprintf(told, "ignored");
	for (i = 0; i < DECISION_IGNORED_MAX; i++)
		fprintf(told, " %ju", view->head->ignored[i]);
	fputc('\n', told);
	for (i = 0; i < view->head->n_new; i++)
		fprintf(told, "new %jd %s %jd\t%s\t%s\n", view->fresh[i].id, prefix_format(&view->fresh[i].prefix, text),
			view->fresh[i].left_s, view->fresh[i].origin, view->fresh[i].scenario);
	for (i = 0; i < view->head->n_gone; i++)
		fprintf(told, "gone %jd %s\n", view->gone[i].id, prefix_format(&view->gone[i].prefix, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *told = told_begin(size);
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
	if (told && !err)
		tell(told, &view);
	free(whole);
	free(cut);
	return 0;
}
