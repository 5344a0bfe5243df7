// SPDX-License-Identifier: GPL-2.0
/* Rows in order, by how an error begins: the first that fits is the hint. */
#include "feed_mend.h"

#include <stddef.h>
#include <string.h>

static const char list_text[] = "give the list itself: a text, plain or packed with gzip, zip, xz or zstd";

static const struct {
	const char *begins, *url, *file; /* the hints for either; NULL: none */
} rows[] = {
	{ "HTTP 401", "a list with a key is added in the config, with key-file", NULL },
	{ "HTTP 403", "its server refuses: does it want a key, or a registration?", NULL },
	{ "HTTP 429", "its server wants fewer requests: try again later", NULL },
	{ "HTTP 5", "its server has a fault: try again later", NULL },
	{ "HTTP ", "is the URL right?", NULL },
	{ "Could not resolve", "is the host's name right?", NULL },
	{ "Failed to connect", "is the URL right, and its server up?", NULL },
	{ "timed out", "is the URL right, and its server up?", NULL },
	{ "TLS: ", "ca-file=PATH names the certificate of a private server", NULL },
	{ "body cut short", "try again", NULL },
	{ "the answer is an HTML page", "give the URL of the list itself", NULL },
	{ "an HTML page", "give the URL of the list itself", list_text },
	{ "no entries: all were left out", NULL, NULL },
	{ "no entries", "is it a list of addresses? If it is, give its --format", "is it a list of addresses? If it is, give its --format" },
	{ "not a list of addresses for sure", NULL, NULL },
	{ "not a list of addresses", "if it is one, give its --format", "if it is one, give its --format" },
	{ "NUL bytes", list_text, list_text },
	{ "more entries than", "max-entries=N allows more", "max-entries=N allows more" },
	{ "the fetcher died", "the agent's log may say why", "the agent's log may say why" },
};

const char *feed_mend(const char *why, bool is_url)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!strncmp(why, rows[i].begins, strlen(rows[i].begins)))
			return is_url ? rows[i].url : rows[i].file;
	}
	return NULL;
}
