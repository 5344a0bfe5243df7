// SPDX-License-Identifier: GPL-2.0
/*
 * The two messages of a fetcher's life: the job the keeper writes to its channel (the fetcher's
 * descriptor 3) before the engine is given the other end, and the one result the fetcher
 * writes back, with a sealed memfd (list_file.h) where there is a list. Then it exits.
 * The file of a path: feed it opens itself, with no rights but its user's, where it is not there
 * already; for a push the body to send is descriptor 4. A key comes from who started it, since its
 * file may be root's alone, over a pipe (secret.h).
 */
#pragma once

#include "feed_options.h"

#define FETCH_MAGIC 0x534b464a
#define FETCH_CHANNEL_FD 3
#define FETCH_FILE_FD 4 /* where it puts that file */
#define FETCH_CONNECTOR_FD 5 /* its own: to the process that makes its connections */
#define FETCH_URL_BYTES 2048
#define FETCH_ETAG_BYTES 192
#define FETCH_TIME_BYTES 64 /* an HTTP date as sent */
#define FETCH_WHY_BYTES 256
#define FETCH_SECRET_BYTES 640 /* a header's name and a key: SECRET_BYTES and room */
#define FETCH_SERVER_BYTES 48 /* the longest address as text, and the NUL */

enum fetch_format {
	FETCH_AUTO = 0, /* recognise one of the others; refuse what is not surely one */
	FETCH_PLAIN = 1,
	FETCH_NETSET = 2,
	FETCH_SPAMHAUS = 3,
	FETCH_TOR = 4,
	FETCH_IPSUM = 5,
	FETCH_DSHIELD = 6,
	FETCH_CSV = 7,
	FETCH_ABUSE_CH = 8,
	FETCH_GEOFEED = 9,
	FETCH_MAXMIND = 10,
	FETCH_P2P = 11,
	FETCH_DAT = 12,
	FETCH_JSON = 13, /* from here on all are JSON */
	FETCH_NDJSON = 14,
	FETCH_AWS = 15,
	FETCH_AWS_IPSET = 16,
	FETCH_GOOGLE = 17,
	FETCH_GITHUB = 18,
	FETCH_CLOUDFLARE = 19,
	FETCH_ATLASSIAN = 20,
	FETCH_MISP = 21,
	FETCH_ABUSEIPDB = 22,
	FETCH_SPAMHAUS_JSON = 23,
	FETCH_CROWDSEC = 24,
	FETCH_RIR = 25,
	/* append before, never reorder: the config's words are in this order */
	FETCH_FORMAT_MAX = 26,
};

#define FETCH_PATH 1
#define FETCH_GIVEN 2
/* FETCH_GIVEN where it is open, else FETCH_PATH: the main config's (spawn.h) */
#define FETCH_LISTED 3

/* What a fetcher is for. */
enum fetch_what {
	FETCH_FEED = 0,
	FETCH_DECISIONS = 1,     /* CrowdSec's stream: what came since the last time */
	FETCH_DECISIONS_ALL = 2, /* all of them */
	FETCH_PUSH = 3,		 /* POST of the body on descriptor 4 */
	FETCH_WHAT_MAX = 4,
};

#define FETCH_PUSH_BYTES (256u << 10) /* usage metrics have about 2 kB */

struct fetch_job {
	uint32_t magic;
	uint32_t format;	/* enum fetch_format */
	uint32_t is_file;       /* FETCH_PATH: url is the path of a file; FETCH_GIVEN: it is open as
				   FETCH_FILE_FD; FETCH_LISTED; else 0 */
	uint32_t max_entries;
	uint64_t max_body_bytes; /* on the wire, and again after inflation */
	uint32_t total_timeout_s;
	/* 1: the feed's own URL names a private address, so redirects there are no surprise */
	uint32_t may_be_private;
	char name[64];		 /* of the feed, for messages */
	char url[FETCH_URL_BYTES];
	char etag[FETCH_ETAG_BYTES];
	char last_modified[FETCH_TIME_BYTES];
	char user_agent[64];
	/* extra trust anchors for tests and private servers; empty: the system's */
	char ca_file[256];
	/*
	 * what stands before the key: of a header line, sent to the url's own server alone; or
	 * ?NAME=, for the url's query; the fetcher puts the key behind it. Empty: none
	 */
	char secret[FETCH_SECRET_BYTES];
	struct feed_options options;
	/* enum fetch_what; but for a feed there are no redirects, which would carry the key away */
	uint32_t what;
	/* 1: the key is behind the descriptor after the channel, or after the body of a push */
	uint32_t has_key;
	char key_file[104]; /* for messages, cut where it is longer */
};

enum fetch_status {
	FETCH_LIST = 1,	     /* a list came: the memfd holds at least one prefix */
	FETCH_UNCHANGED = 2, /* 304 to a validator of ours */
	FETCH_FAILED = 3,    /* why says so in one line; no memfd */
	/* decisions came: the memfd holds them (decision.h); or a push was taken: no memfd */
	FETCH_DONE = 4,
};

struct fetch_result {
	uint32_t magic;
	uint32_t status; /* enum fetch_status */
	uint32_t http_code; /* 0 where none came */
	uint32_t format;    /* what it was read as */
	uint64_t body_bytes; /* after inflation */
	uint64_t wire_bytes;
	uint32_t duration_ms;
	uint32_t retry_after_s; /* the server's wish, capped at a day; 0 none */
	char etag[FETCH_ETAG_BYTES];
	char last_modified[FETCH_TIME_BYTES];
	char server[FETCH_SERVER_BYTES]; /* address that the answer came from; empty: a file */
	char why[FETCH_WHY_BYTES]; /* one line, printable ASCII only */
};
