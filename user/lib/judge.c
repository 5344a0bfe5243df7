// SPDX-License-Identifier: GPL-2.0
/* Evidence in, signals out. Every threshold is a named constant with its reason. */
#include "judge.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define SECOND_NS 1000000000ull
#define STOPPED_AFTER_NS                                                                           \
	(5 * SECOND_NS) /* judged once the ban is this old: before it silence says nothing */
#define STOPPED_MOST_PACKETS                                                                       \
	3u /* packets after the first second: a last retransmission is no flood */
#define SYN_ONLY_SHARE 0.95	/* of its packets: a client's handshakes need ACKs as well */
#define SYN_ONLY_PACKETS 20	/* fewer say nothing */
#define SHARED_PORTS 12		/* distinct ports of one client are seldom more */
#define SHARED_TTLS 3		/* different systems behind one address start at 64, 128 and 255 */
#define WENT_ON_PACKETS 100u	/* dropped after the first second */

struct rows {
	struct judge_row *row;
	size_t n;
};

static void __attribute__((format(printf, 4, 5)))
add(struct rows *rows, enum judge_signal signal, bool says_wrong, const char *format, ...)
{
	struct judge_row *row = &rows->row[rows->n++];
	va_list args;

	row->signal = signal;
	row->says_wrong = says_wrong;
	va_start(args, format);
	vsnprintf(row->text, sizeof(row->text), format, args);
	va_end(args);
}

const char *judge_name(enum judge_signal signal)
{
	static const char *const names[JUDGE_MAX] = {
		"conversations", "known-good", "stopped", "shared",
		"syn-only",      "listed",     "repeat",  "went-on",
	};

	return signal < JUDGE_MAX ? names[signal] : "unknown";
}

unsigned judge_ports(const struct sek_evidence *evidence)
{
	int zero = 64 - __builtin_popcountll(evidence->port_bitmap);

	return lround(64 * log(64.0 / (zero ? zero : 1)));
}

/* 100.64.0.0/10, RFC 6598: a provider's own NAT. */
static bool is_carrier_nat(const struct sek_entry_key *source)
{
	return source->family == 4 && source->addr_be[0] == 100 &&
	       (source->addr_be[1] & 0xc0) == 64;
}

static unsigned protocols(const struct sek_evidence *e)
{
	return !!e->tcp + !!e->udp + !!e->icmp + !!e->other;
}

static void against(const struct judge_facts *facts, struct rows *rows)
{
	const struct sek_evidence *e = facts->evidence;
	const struct sek_ban *ban = facts->ban;
	unsigned long long later = ban->dropped - ban->dropped_first_s;

	if (e && e->established)
		add(rows, JUDGE_CONVERSATIONS, true,
		    "%u of %u packets looked up belong to TCP connections that this host has open",
		    e->established, e->established_asked);
	if (facts->n_known_good)
		add(rows, JUDGE_KNOWN_GOOD, true, "%u known-good list%s held the address, or one of the network",
		    facts->n_known_good, facts->n_known_good == 1 ? "" : "s");
	if (!facts->is_hidden && facts->now_ns > ban->since_ns + STOPPED_AFTER_NS &&
	    later <= STOPPED_MOST_PACKETS)
		add(rows, JUDGE_STOPPED, true,
		    "it stopped by itself: %llu packets in the ban's first second, %llu after it",
		    (unsigned long long)ban->dropped_first_s, later);
	if (e && is_carrier_nat(&e->source))
		add(rows, JUDGE_SHARED, true,
		    "100.64.0.0/10 is shared: a provider's customers behind one address");
	else if (e && protocols(e) > 1 && judge_ports(e) >= SHARED_PORTS &&
		 e->max_ttl - e->min_ttl >= SHARED_TTLS)
		add(rows, JUDGE_SHARED, true,
		    "perhaps a shared address: about %u ports, %u protocols, TTLs %u to %u at once",
		    judge_ports(e), protocols(e), e->min_ttl, e->max_ttl);
}

static void in_favour(const struct judge_facts *facts, struct rows *rows)
{
	const struct sek_evidence *e = facts->evidence;
	const struct sek_ban *ban = facts->ban;
	unsigned long long later = ban->dropped - ban->dropped_first_s;

	if (e && e->packets >= SYN_ONLY_PACKETS && !e->established &&
	    e->syn >= SYN_ONLY_SHARE * e->packets)
		add(rows, JUDGE_SYN_ONLY, false,
		    "%u of %llu packets are first SYNs: it opens and never talks", e->syn,
		    (unsigned long long)e->packets);
	if (facts->n_block_lists)
		add(rows, JUDGE_LISTED, false, "%u list%s held the address", facts->n_block_lists,
		    facts->n_block_lists == 1 ? "" : "s");
	if (ban->level)
		add(rows, JUDGE_REPEAT, false, "ban number %u of this source in a row",
		    ban->level + 1);
	if (later >= WENT_ON_PACKETS)
		add(rows, JUDGE_WENT_ON, false,
		    "it went on: %llu packets dropped after the ban's first second", later);
}

size_t judge_ban(const struct judge_facts *facts, struct judge_row ret_rows[JUDGE_MAX])
{
	struct rows rows = { .row = ret_rows };

	against(facts, &rows);
	in_favour(facts, &rows);
	return rows.n;
}
