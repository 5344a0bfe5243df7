// SPDX-License-Identifier: GPL-2.0
/*
 * Judges hosts, ports and kinds of address for a fetch's connections. In: a rule and a wish. Out:
 * yes, or why not.
 */
#include "lib/connect_rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_own(const struct connect_rule *rule, const struct connect_ask *ask)
{
	return ask->port == rule->port && !strcasecmp(ask->host, rule->host);
}

static bool is_sound(const struct connect_ask *ask)
{
	return ask->magic == CONNECT_MAGIC && ask->timeout_ms &&
	       ask->timeout_ms <= CONNECT_TIMEOUT_MS && ask->is_redirect <= 1 && ask->host[0] &&
	       memchr(ask->host, '\0', sizeof(ask->host));
}

int connect_rule_place(const struct connect_rule *rule, const struct connect_ask *ask, char *why,
		       size_t why_bytes)
{
	if (!is_sound(ask))
		return -EBADMSG;
	if (is_own(rule, ask))
		return 0;
	if (rule->is_alone) {
		(void)snprintf(why, why_bytes, "a connection to anywhere but the URL's own server refused");
		return -EPERM;
	}
	if (ask->port == 80 || ask->port == 443 || ask->port == rule->port)
		return 0;
	(void)snprintf(why, why_bytes, "redirect to port %u refused: it may be 80, 443 or the URL's own", ask->port);
	return -EPERM;
}

/* What is here is open to a first request, and to a redirect where the URL itself leads here. */
static bool may_lead_to(const struct connect_rule *rule, const struct connect_ask *ask,
			enum http_addr_kind kind, bool is_ours)
{
	bool is_first = is_own(rule, ask) && !ask->is_redirect;

	if (is_ours && !is_first && !rule->is_ours)
		return false;
	if (kind == HTTP_ADDR_LINK_LOCAL)
		return rule->may_be_private && is_own(rule, ask);
	return kind == HTTP_ADDR_PUBLIC || rule->may_be_private || is_first;
}

int connect_rule_address(const struct connect_rule *rule, const struct connect_ask *ask,
			 enum http_addr_kind kind, bool is_ours, char *why, size_t why_bytes)
{
	if (may_lead_to(rule, ask, kind, is_ours))
		return 0;
	/* a feed may live in a private network, but nobody names a metadata service by accident */
	if (is_own(rule, ask) && !ask->is_redirect)
		(void)snprintf(why, why_bytes, "the name leads to a link-local address, refused");
	else if (kind == HTTP_ADDR_PUBLIC || (is_ours && rule->may_be_private))
		(void)snprintf(why, why_bytes, "redirect to an address of this host refused");
	else
		(void)snprintf(why, why_bytes, "redirect to a private address refused");
	return -EPERM;
}
