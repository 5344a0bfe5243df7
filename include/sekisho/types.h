// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel program and user space both call things: verdicts, reasons, list actions.
 * Enums are append-only: their numbers are in pinned maps, table images and stored state.
 */
#pragma once

#include <linux/types.h>

/* Why a packet was passed or dropped. The label `reason` of the metrics. */
enum sek_reason {
	SEK_R_NONE = 0,	     /* nothing matched the source: passed */
	SEK_R_ALLOW = 1,     /* allow entry, config allow or allow list: passed */
	SEK_R_BLOCK = 2,     /* block entry made by hand or by a bouncer */
	SEK_R_BAN = 3,	     /* block entry made by a limit (origin limit:NAME) */
	SEK_R_FEED = 4,	     /* list with action block */
	SEK_R_LIMIT = 5,     /* over a per-source limit */
	SEK_R_MALFORMED = 6, /* too short, or impossible lengths */
	SEK_R_LINK = 7,	     /* ARP, neighbour discovery, other ethertypes: never judged */
	SEK_R_PROTECTED = 8, /* would have dropped, but a never-block rail holds the source */
	SEK_R_INTERNAL = 9,  /* our own failure: passed */
	SEK_R_MAX = 10,
};

/* What happened to the packet, as counted. */
enum sek_verdict {
	SEK_V_PASS = 0,
	SEK_V_DROP = 1,
	SEK_V_WOULD = 2, /* passed, but would have been dropped: monitor mode or a monitor list */
	SEK_V_MAX = 3,
};

/* What a list, or the class of an address, asks for. Order is not precedence. */
enum sek_action {
	SEK_A_NONE = 0,
	SEK_A_ALLOW = 1,
	SEK_A_BLOCK = 2,
	SEK_A_MONITOR = 3,
	SEK_A_MAX = 4,
};

enum sek_mode {
	SEK_MODE_ENFORCE = 0,
	SEK_MODE_MONITOR = 1, /* count what would be dropped, drop nothing */
};
