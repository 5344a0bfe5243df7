// SPDX-License-Identifier: GPL-2.0
/*
 * What a feed's URL says beside where the list is: a secret that had better not stand in it, and a
 * publisher who has said how often one may ask. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEED_URL_NAME_BYTES 64 /* of a query's name, with the NUL; a longer one is cut */

/* How often a publisher's host may be asked. */
struct feed_url_rule {
	const char *host;    /* or any below it */
	uint32_t interval_s; /* the least; with the tenth by which jitter may shorten an interval */
	const char *says;    /* who says what, with the mend */
};

/*
 * Does the query of @url hold what is a key, token or password by its name? Then *ret_name is that
 * name, as it stands there and safe to print. What is secret in a path cannot be told.
 */
bool feed_url_secret(const char *url, char ret_name[FEED_URL_NAME_BYTES]);

/* Is @name, letters, digits, _ - and dot, good as the name of a query's value? */
bool feed_url_is_name(const char *name);

/*
 * @url in @buf (@size bytes, cut where it is longer) for logs and messages: without a user and
 * password, and without the query where that holds a secret. Returns @buf. What is no URL may hold
 * the same, and is treated the same.
 */
char *feed_url_hide(const char *url, char *buf, size_t size);

/*
 * The rule of the publisher at @url's host; NULL: none is known.
 * Source: Spamhaus, spamhaus.com/faqs/drop: a host that fetches DROP more than once an hour is
 * firewalled; dan.me.uk: once in 30 minutes; AbuseIPDB: five blacklist requests a day without a
 * subscription.
 */
const struct feed_url_rule *feed_url_rule(const char *url);
