// SPDX-License-Identifier: GPL-2.0
/* A feed's URL taken apart as far as people are to be warned of it: see feed_url.h. */
#include "feed_url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct feed_url_rule rules[] = {
	{ "spamhaus.org", 4000, "Spamhaus shuts out who fetches more than once an hour: give 70m or more" },
	{ "spamhaus.com", 4000, "Spamhaus shuts out who fetches more than once an hour: give 70m or more" },
	{ "dan.me.uk", 2000, "dan.me.uk answers once in 30 minutes: give 35m or more" },
	{ "abuseipdb.com", 19200, "AbuseIPDB answers five requests a day without a subscription: give 6h or more" },
};

static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

/* Behind "scheme://"; the whole text where there is none. */
static const char *authority(const char *url)
{
	const char *at = strstr(url, "://");

	return at && strcspn(url, "/?#") > (size_t)(at - url) ? at + 3 : url;
}

static int hex(char c)
{
	return c >= '0' && c <= '9'                 ? c - '0'
	       : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						    : -1;
}

/* @name in small letters, decoded, without what some write between words. */
static void plain_name(const char *name, size_t len, char ret_plain[FEED_URL_NAME_BYTES])
{
	size_t i, n = 0;

	for (i = 0; i < len && n + 1 < FEED_URL_NAME_BYTES; i++) {
		char c = name[i];

		if (c == '%' && i + 2 < len && hex(name[i + 1]) >= 0 && hex(name[i + 2]) >= 0) {
			c = (char)(hex(name[i + 1]) << 4 | hex(name[i + 2]));
			i += 2;
		}
		if (c >= 'A' && c <= 'Z')
			c |= 32;
		if (c != '_' && c != '-' && c != '.')
			ret_plain[n++] = c;
	}
	ret_plain[n] = '\0';
}

static bool is_secret(const char *name, size_t len)
{
	static const char *const whole[] = { "auth", "authorization", "pass", "pwd", "pin", "license", "licence", "oinkcode" };
	static const char *const ends[] = { "key", "token", "secret", "password", "passwd", "passphrase", "credential", "credentials" };
	char plain[FEED_URL_NAME_BYTES];
	size_t i, n;

	plain_name(name, len, plain);
	n = strlen(plain);
	for (i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		if (!strcmp(plain, whole[i]))
			return true;
	}
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (n >= strlen(ends[i]) && !strcmp(plain + n - strlen(ends[i]), ends[i]))
			return true;
	}
	return false;
}

bool feed_url_is_name(const char *name)
{
	size_t len = strlen(name);

	return len && len < FEED_URL_NAME_BYTES && strspn(name, token) == len;
}

/* The first of the query's names whose value is a secret; NULL: none. */
static const char *find_secret(const char *url, size_t *ret_len)
{
	const char *at = url + strcspn(url, "?#");
	size_t name, pair;

	while (*at == '?' || *at == '&' || *at == ';') {
		at++;
		pair = strcspn(at, "&;#");
		name = strcspn(at, "=&;#");
		if (name + 1 < pair && is_secret(at, name)) {
			*ret_len = name;
			return at;
		}
		at += pair;
	}
	return NULL;
}

bool feed_url_secret(const char *url, char ret_name[FEED_URL_NAME_BYTES])
{
	size_t len, i;
	const char *name = find_secret(url, &len);

	if (!name)
		return false;
	if (len >= FEED_URL_NAME_BYTES)
		len = FEED_URL_NAME_BYTES - 1;
	for (i = 0; i < len; i++)
		ret_name[i] = (unsigned char)name[i] > ' ' && (unsigned char)name[i] < 0x7f
				      ? name[i]
				      : '?';
	ret_name[len] = '\0';
	return true;
}

char *feed_url_hide(const char *url, char *buf, size_t size)
{
	const char *host = authority(url), *user = memrchr(host, '@', strcspn(host, "/?#"));
	size_t name, len = strlen(url);
	bool has_secret = find_secret(url, &name) != NULL;

	if (has_secret)
		len = strcspn(url, "?#");
	if (user)
		/* cut */
		(void)snprintf(buf, size, "%.*s...%.*s", (int)(host - url), url,
			       (int)(len - (size_t)(user - url)), user);
	else
		(void)snprintf(buf, size, "%.*s", (int)len, url);
	if (has_secret && strlen(buf) + sizeof("?...") <= size)
		strcat(buf, "?...");
	return buf;
}

const struct feed_url_rule *feed_url_rule(const char *url)
{
	const char *host = authority(url), *user = memrchr(host, '@', strcspn(host, "/?#"));
	size_t i, len;

	host = user ? user + 1 : host;
	len = strcspn(host, ":/?#");
	while (len && host[len - 1] == '.')
		len--;
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		size_t n = strlen(rules[i].host);

		if (len >= n && !strncasecmp(host + len - n, rules[i].host, n) &&
		    (len == n || host[len - n - 1] == '.'))
			return &rules[i];
	}
	return NULL;
}
