// SPDX-License-Identifier: GPL-2.0
/*
 * What a fetcher's two processes say to each other: the one that reads what servers send asks for a
 * connection, the other makes it and hands the connected socket back with its answer. One message
 * each way, in turn; the first is the connector's, unasked, once its sandbox has closed.
 */
#pragma once

#include <stdint.h>

#include "lib/fetch_msg.h"

#define CONNECT_MAGIC 0x534b434e
#define CONNECT_HOST_BYTES 256	    /* a name has at most 253. Source: RFC 1035, 2.3.4 */
/* most that one connection takes, its name's resolution included */
#define CONNECT_TIMEOUT_MS 20000u
/* of a fetch: six URLs, each with a second try; so no ports are tried out */
#define CONNECT_ASKS_MAX 12

struct connect_ask {
	uint32_t magic;
	uint32_t timeout_ms;	     /* from 1 to CONNECT_TIMEOUT_MS */
	uint16_t port;
	uint16_t is_redirect;	     /* 1: a server asked for it, not the config */
	char host[CONNECT_HOST_BYTES]; /* a name, or an address without brackets */
};

struct connect_answer {
	uint32_t magic;
	uint32_t is_connected;		   /* 1: the socket comes along */
	char server[FETCH_SERVER_BYTES];   /* address that it is connected to */
	char why[FETCH_WHY_BYTES];	   /* where it is not: one line */
};
