// SPDX-License-Identifier: GPL-2.0
/*
 * The config: YAML text in, a checked struct config out, or every error with file, line, column and
 * the mend. Pure: the keeper reads the files, the engine gets their bytes in a bundle, the CLI's
 * check-config does both.
 */
#pragma once

#include "feed_guard.h"
#include "feed_options.h"
#include "limit.h"
#include "prefix.h"
#include <sekisho/limits.h>
#include <sekisho/types.h>

struct config_source {
	const char *name; /* as shown in errors */
	const char *text; /* need not end in NUL */
	size_t len;
};

enum config_attach { CONFIG_ATTACH_AUTO, CONFIG_ATTACH_NATIVE, CONFIG_ATTACH_GENERIC };

#define CONFIG_KEY_HEADER_BYTES 64
#define CONFIG_FEED_NAME_BYTES 64 /* a-z A-Z 0-9 _ - and dot, neither first; with NUL */

struct config_feed {
	char name[CONFIG_FEED_NAME_BYTES];
	char *url; /* one of url and path is set */
	char *path;
	uint32_t format; /* enum fetch_format of fetch_msg.h */
	struct feed_options options; /* for the formats that take some */
	enum sek_action action;      /* none: the list judges no packet, it is only looked at */
	uint32_t interval_s;         /* default 12 h; at least 60 s for a path, 300 s for a url */
	/*
	 * without a good update for so long there is an alarm; default: four intervals, at least a
	 * day
	 */
	uint32_t stale_after_s;
	/* default: 1,000,000 entries, 50 % change, 2 % coverage, 5 % errors */
	struct feed_guard guard;
	bool keep_private;           /* private: block */
	/* its addresses are known to be good: said of a ban, whatever the action */
	bool known_good;
	char *ca_file;               /* NULL: the system's trust anchors */
	char *key_file;              /* of the secret, read by the keeper alone; NULL: none */
	char key_header[CONFIG_KEY_HEADER_BYTES]; /* what stands before it, such as "Authorization: Bearer" */
	/* or its name in the url's query; empty: it is in a header */
	char key_query[CONFIG_KEY_HEADER_BYTES];
	char *file;                  /* where it stands: the source's name */
	unsigned line;               /* from 1 */
	/* in the main file; else in feeds.d, where commands write too */
	bool is_main;
};

/* crowdsec: whose decisions are put in force (crowdsec(8)'s local API, a bouncer's side of it). */
struct config_crowdsec {
	char *url; /* NULL: no such key; without the /v1, no slash last */
	char *key_file;
	char *ca_file;               /* NULL: the system's trust anchors */
	uint32_t interval_s;         /* default 10 s, 1 s to 1 h */
	/*
	 * without a good answer for so long there is an alarm; default: four intervals, at least an
	 * hour
	 */
	uint32_t stale_after_s;
	uint32_t usage_s;            /* usage-metrics: default 15 min; 0: none are pushed */
	uint32_t max_decisions;      /* default 500,000 */
	double max_coverage;         /* share of either family's routable space, default 0.02 */
};

#define CONFIG_CROWDSEC_NAME "crowdsec" /* the feed's, and its entries' origin */
#define CONFIG_DECISIONS_MAX 1000000u   /* a snapshot of them is 128 MB */

struct config {
	char interfaces[SEK_IFACES_MAX][16];
	unsigned n_interfaces;
	bool interfaces_auto;
	enum sek_mode mode;
	enum config_attach attach;
	bool detach_on_exit; /* on-exit: detach */
	bool on_exit_set;
	bool malformed_drop; /* malformed: drop */
	struct prefix *allow;
	size_t n_allow;
	struct config_feed *feeds;
	size_t n_feeds;
	struct config_crowdsec crowdsec;
	char metrics_host[64]; /* numeric address without brackets; empty: metrics are off */
	uint16_t metrics_port;
	/* numbers are places here; the state gives those that last */
	struct limit_settings *limits;
	size_t n_limits;
	uint8_t source_len6;   /* ipv6-source-prefix: what counts as one IPv6 source, 48..128 */
	unsigned limiter_bits; /* limiter-memory: 2^this lines of SEK_LINE_BYTES */
	double events_per_s;   /* events: sample; 0: none */
	char events_path[200]; /* events: path, absolute; empty: no file */
	uint64_t events_max_bytes; /* events: max-size: a larger file becomes PATH.1 */
};

#define CONFIG_BURST_BYTES_MIN 1514 /* bytes: a full frame; a smaller burst would pass none */

#define CONFIG_ERRORS_MAX                                                                          \
	50 /* more than anyone mends in one go; the last says that there are more */

struct config_error {
	char *file;
	unsigned line, column; /* from 1 */
	char *text;            /* what is wrong and how to mend it, one line */
};

#define CONFIG_WARNINGS_MAX 32 /* one a limit, and room */

struct config_errors {
	struct config_error error[CONFIG_ERRORS_MAX];
	unsigned n;
	/* what costs or risks something; no reason to refuse */
	struct config_error warning[CONFIG_WARNINGS_MAX];
	unsigned n_warnings;
};

/*
 * Parses the main file (@sources[0]) and feeds.d files (the rest, one feed each). Unknown keys, bad
 * values and duplicate names are errors. All errors are collected. Errors: -EINVAL with at least
 * one row in @errors; -ENOMEM. Warnings may be there after success too. *ret_config only on
 * success: config_free().
 */
int config_parse(const struct config_source *sources, size_t n, struct config **ret_config,
		 struct config_errors *errors);
void config_free(struct config *config);
void config_errors_clear(struct config_errors *errors);

/*
 * Packs @sources for the way to the engine, and back. The unpacked sources point into @data.
 * Errors: -ENOMEM; -EBADMSG where sizes do not add up.
 */
int config_bundle_pack(const struct config_source *sources, size_t n, void **ret_data,
		       size_t *ret_len);
int config_bundle_unpack(const void *data, size_t len, struct config_source **ret_sources,
			 size_t *ret_n);
