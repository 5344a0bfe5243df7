// SPDX-License-Identifier: GPL-2.0
/*
 * Writer of a metrics document: Prometheus text 0.0.4 or OpenMetrics 1.0.0 from the same calls.
 * Source: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPENMETRICS_TYPE_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define OPENMETRICS_TYPE_OPEN "application/openmetrics-text; version=1.0.0; charset=utf-8"

enum openmetrics_kind { OPENMETRICS_COUNTER, OPENMETRICS_GAUGE };

struct openmetrics {
	char *data; /* the document so far, NUL-terminated; owned by the caller of openmetrics_end()
		     */
	size_t len, capacity;
	bool open;   /* OpenMetrics 1.0.0 */
	bool failed; /* out of memory: nothing more is written */
	enum openmetrics_kind kind;
	const char *family;
};

/* Starts an empty document in @om. */
void openmetrics_begin(struct openmetrics *om, bool open);

/*
 * Starts a family. @name has no _total: counters get it. @name must outlive the family's samples.
 */
void openmetrics_family(struct openmetrics *om, const char *name, enum openmetrics_kind kind,
			const char *help);

/* One sample of the family; label name and value pairs follow, then NULL. Values are escaped. */
void openmetrics_sample(struct openmetrics *om, double value, ...) __attribute__((sentinel));

/* Ends the document. Errors: -ENOMEM. *ret_text is the caller's to free(). */
int openmetrics_end(struct openmetrics *om, char **ret_text, size_t *ret_len);

/* Does an Accept header (may be NULL) ask for OpenMetrics 1.0.0? */
bool openmetrics_accepts(const char *accept);
