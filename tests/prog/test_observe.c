// SPDX-License-Identifier: GPL-2.0
/*
 * What the program tells about sources: evidence of those near a limit, and events.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sekisho/ban.h>
#include <sekisho/event.h>
#include "sekisho.skel.h"

#define SYN 0x02
#define RST 0x04
#define FIN 0x01
#define ACK 0x10
#define NUMBER 3
#define EVENTS_KEPT 64

static struct frame frame;

static struct limit_settings limit(double burst)
{
	return (struct limit_settings){ .name = "l", .protocol = LIMIT_ANY, .packets_per_s = 0.01, .burst = burst, .len4 = 32, .number = NUMBER };
}

static void set_limit(const struct limit_settings *l)
{
	harness_reset();
	harness_limits(l, 1, NULL, 0);
}

static void send_l4(int family, unsigned proto, unsigned dport, unsigned flags, int times)
{
	frame_l4(&frame, family, proto, 4000, dport, flags);
	while (times--)
		(void)harness_run(&frame);
}

/* The only record in use; NULL: none. */
static const struct sek_evidence *record(unsigned *ret_n)
{
	static struct sek_evidence found;
	struct sek_evidence e;

	*ret_n = 0;
	for (__u32 i = 0; i < SEK_EVIDENCE_MAX; i++) {
		assert_int_equal(bpf_map_lookup_elem(harness_fd(BPF_MAP_EVIDENCE), &i, &e), 0);
		if (!e.busy)
			continue;
		found = e;
		(*ret_n)++;
	}
	return *ret_n ? &found : NULL;
}

/* A source below half of its burst has no record; above it, every packet is in it. */
static void evidence_counts(void **state)
{
	struct limit_settings l = limit(20);
	const struct sek_evidence *e;
	unsigned n;

	for (int family = 4; family <= 6; family += 2) {
		set_limit(&l);
		send_l4(family, IPPROTO_UDP, 1, 0, 10);
		assert_null(record(&n));
		send_l4(family, IPPROTO_TCP, 80, SYN, 3);
		send_l4(family, IPPROTO_TCP, 443, ACK, 2);
		send_l4(family, IPPROTO_TCP, 443, FIN | ACK, 1);
		send_l4(family, IPPROTO_TCP, 443, RST, 1);
		send_l4(family, IPPROTO_UDP, 53, 0, 4);
		send_l4(family, family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, 0, 0, 1);
		send_l4(family, 47, 0, 0, 5);
		e = record(&n);
		assert_int_equal(n, 1);
		assert_int_equal(e->source.family, family);
		assert_int_equal(e->source.len, family == 4 ? 32 : 64);
		assert_memory_equal(e->source.addr_be, family == 4 ? frame_source4 : frame_source6, family == 4 ? 4 : 8);
		assert_int_equal(e->packets, 17);
		assert_int_equal(e->bytes, 17 * frame.len);
		assert_int_equal(e->tcp, 7);
		assert_int_equal(e->udp, 4);
		assert_int_equal(e->icmp, 1);
		assert_int_equal(e->other, 5);
		assert_int_equal(e->syn, 3);
		assert_int_equal(e->ack, 3);
		assert_int_equal(e->fin, 1);
		assert_int_equal(e->rst, 1);
		assert_int_equal(e->dropped, 7); /* 27 sent, 20 within */
		assert_int_equal(e->limits, 1 << NUMBER);
		assert_int_equal(e->min_bytes, frame.len);
		assert_int_equal(e->max_bytes, frame.len);
		assert_int_equal(e->size_log2[frame.len < 64 ? 0 : 1], 17);
		assert_int_equal(e->min_ttl, 64);
		assert_int_equal(e->max_ttl, 64);
		assert_int_equal(e->ports[0], 53);
		assert_int_equal(e->ports[1], 443);
		assert_int_equal(e->ports[2], 80);
		assert_int_equal(e->ports[3], 0);
		assert_int_equal(__builtin_popcountll(e->port_bitmap), 3);
		assert_int_equal(e->established, 0);
		assert_true(e->established_asked >= 1);
		assert_true(e->peak_packets >= 9 && e->peak_packets <= 17); /* the second may have turned once */
		assert_in_range(e->first_ns, 1, e->last_ns);
	}
}

/* Another source's record is left alone while it is in use, and taken over when it is quiet. */
static void evidence_owner(void **state)
{
	struct limit_settings l = limit(1);
	uint64_t missed = HARNESS_COUNTER(evidence_missed);
	struct sek_evidence e;
	unsigned n;
	__u32 at;

	set_limit(&l);
	send_l4(4, IPPROTO_UDP, 1, 0, 3);
	assert_non_null(record(&n));
	for (at = 0; at < SEK_EVIDENCE_MAX; at++) {
		assert_int_equal(bpf_map_lookup_elem(harness_fd(BPF_MAP_EVIDENCE), &at, &e), 0);
		if (e.busy)
			break;
	}
	e.source.addr_be[3]++;
	assert_int_equal(bpf_map_update_elem(harness_fd(BPF_MAP_EVIDENCE), &at, &e, 0), 0);
	send_l4(4, IPPROTO_UDP, 1, 0, 2);
	assert_int_equal(HARNESS_COUNTER(evidence_missed) - missed, 2);
	assert_int_equal(record(&n)->source.addr_be[3], frame_source4[3] + 1);
	e.last_ns = harness_now_ns() - SEK_EVIDENCE_IDLE_NS - 1;
	assert_int_equal(bpf_map_update_elem(harness_fd(BPF_MAP_EVIDENCE), &at, &e, 0), 0);
	send_l4(4, IPPROTO_UDP, 1, 0, 2);
	assert_int_equal(HARNESS_COUNTER(evidence_missed) - missed, 2);
	assert_memory_equal(record(&n)->source.addr_be, frame_source4, 4);
	assert_int_equal(record(&n)->packets, 2);
}

/* Sets the one record that is there, as if @quiet_ns had passed since its last packet. */
static void age_record(uint64_t quiet_ns, unsigned dropped, bool is_told, bool is_other)
{
	struct sek_evidence e;
	__u32 at;

	for (at = 0; at < SEK_EVIDENCE_MAX; at++) {
		assert_int_equal(bpf_map_lookup_elem(harness_fd(BPF_MAP_EVIDENCE), &at, &e), 0);
		if (e.busy)
			break;
	}
	assert_true(at < SEK_EVIDENCE_MAX);
	e.last_ns = harness_now_ns() - quiet_ns;
	e.dropped = dropped;
	e.is_told = is_told;
	e.source.addr_be[3] += is_other;
	assert_int_equal(bpf_map_update_elem(harness_fd(BPF_MAP_EVIDENCE), &at, &e, 0), 0);
}

/*
 * Another source gets a record of few packets over a limit after two seconds, one of many after a minute. Its own goes on with it
 * for a minute, however slow it is, but for one that a ban has a copy of.
 */
static void evidence_given_away(void **state)
{
	static const struct {
		uint64_t quiet_ns;
		unsigned dropped;
		bool is_told, is_other;
		unsigned packets; /* in the source's own record then; 0: it is another's still */
	} rows[] = {
		{ SEK_EVIDENCE_SMALL_IDLE_NS + 100000000, SEK_EVIDENCE_SMALL - 1, false, true, 2 },
		{ SEK_EVIDENCE_SMALL_IDLE_NS / 2, SEK_EVIDENCE_SMALL - 1, false, true, 0 },
		{ SEK_EVIDENCE_SMALL_IDLE_NS + 100000000, SEK_EVIDENCE_SMALL, false, true, 0 },
		{ SEK_EVIDENCE_IDLE_NS + 100000000, SEK_EVIDENCE_SMALL, false, true, 2 },
		{ SEK_EVIDENCE_SMALL_IDLE_NS + 100000000, SEK_EVIDENCE_SMALL - 1, false, false, 4 },
		{ SEK_EVIDENCE_IDLE_NS + 100000000, SEK_EVIDENCE_SMALL - 1, false, false, 2 },
		{ 0, SEK_EVIDENCE_SMALL, true, false, 2 },
	};
	struct limit_settings l = limit(1);
	unsigned n;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_limit(&l);
		send_l4(4, IPPROTO_UDP, 1, 0, 3); /* two of them over it */
		assert_int_equal(record(&n)->packets, 2);
		age_record(rows[i].quiet_ns, rows[i].dropped, rows[i].is_told, rows[i].is_other);
		send_l4(4, IPPROTO_UDP, 1, 0, 2);
		if ((memcmp(record(&n)->source.addr_be, frame_source4, 4) ? 0 : record(&n)->packets) != rows[i].packets)
			fail_msg("row %zu: %llu packets", i, (unsigned long long)record(&n)->packets);
		assert_int_equal(record(&n)->is_told, 0);
	}
}

/* Each limit's packets are counted apart, from the first over it on; a third one over takes the older place. */
static void evidence_by_limit(void **state)
{
	struct limit_settings l[3] = { limit(2), limit(2), limit(2) };
	static const unsigned protos[3] = { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP };
	const struct sek_evidence *e;
	unsigned n;

	l[0].protocol = LIMIT_UDP;
	l[1].protocol = LIMIT_TCP;
	l[2].protocol = LIMIT_ICMP;
	for (unsigned i = 0; i < 3; i++)
		l[i].number = i;
	harness_reset();
	harness_limits(l, 3, NULL, 0);
	send_l4(4, protos[0], 53, 0, 2 + 7);
	send_l4(4, protos[1], 80, ACK, 2 + 4);
	e = record(&n);
	assert_int_equal(e->rate_of[0], 1);
	assert_int_equal(e->rate[0].packets, 7);
	assert_int_equal(e->rate[0].bytes % 7, 0);
	assert_int_equal(e->rate_of[1], 2);
	assert_int_equal(e->rate[1].packets, 4);
	assert_true(e->rate[0].bytes + e->rate[1].bytes < e->bytes); /* what came near is not over */
	assert_int_equal(e->limits, 3);
	send_l4(4, protos[2], 0, 0, 2 + 3);
	e = record(&n);
	assert_int_equal(e->limits, 7);
	assert_true(e->rate_of[0] == 3 || e->rate_of[1] == 3);
	assert_int_equal(e->rate[e->rate_of[0] == 3 ? 0 : 1].packets, 3);
	assert_int_equal(e->rate[e->rate_of[0] == 3 ? 1 : 0].packets, e->rate_of[0] == 3 ? 4 : 7);
}

/* A connection to the test's own listener at 203.0.113.9 from 203.0.113.7, both on lo. */
static void open_connection(struct sockaddr_in *ret_client, struct sockaddr_in *ret_server, int ret_fd[3])
{
	socklen_t len = sizeof(*ret_client);
	int one = 1;

	*ret_server = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(203u << 24 | 113 << 8 | 9) };
	*ret_client = (struct sockaddr_in){ .sin_family = AF_INET };
	memcpy(&ret_client->sin_addr, frame_source4, 4);
	ret_fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	ret_fd[1] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(setsockopt(ret_fd[0], SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(ret_fd[0], (void *)ret_server, len), 0);
	assert_int_equal(listen(ret_fd[0], 1), 0);
	assert_int_equal(getsockname(ret_fd[0], (void *)ret_server, &len), 0);
	assert_int_equal(bind(ret_fd[1], (void *)ret_client, len), 0);
	assert_int_equal(connect(ret_fd[1], (void *)ret_server, len), 0);
	ret_fd[2] = accept(ret_fd[0], NULL, NULL);
	assert_true(ret_fd[2] >= 0);
	assert_int_equal(getsockname(ret_fd[1], (void *)ret_client, &len), 0);
}

/* Packets of a connection that this host has open are known; of none, and of a listener only, are not. */
static void evidence_conversations(void **state)
{
	struct limit_settings l = limit(1);
	struct sockaddr_in client, server;
	unsigned n;
	int fd[3];

	assert_int_equal(system("ip address replace 203.0.113.7/32 dev lo && ip address replace 203.0.113.9/32 dev lo"), 0);
	open_connection(&client, &server, fd);
	set_limit(&l);
	frame_l4(&frame, 4, IPPROTO_TCP, ntohs(client.sin_port), ntohs(server.sin_port), ACK);
	memcpy(frame.bytes + FRAME_ETH_BYTES + 16, &server.sin_addr, 4);
	for (int i = 0; i < 1 + 9; i++)
		(void)harness_run(&frame);
	assert_int_equal(record(&n)->ack, 9);
	assert_int_equal(record(&n)->established_asked, 2); /* one in eight, the first included */
	assert_int_equal(record(&n)->established, 2);
	set_limit(&l);
	frame_l4(&frame, 4, IPPROTO_TCP, ntohs(client.sin_port) ^ 1, ntohs(server.sin_port), ACK);
	memcpy(frame.bytes + FRAME_ETH_BYTES + 16, &server.sin_addr, 4);
	for (int i = 0; i < 1 + 9; i++)
		(void)harness_run(&frame);
	assert_int_equal(record(&n)->established_asked, 2);
	assert_int_equal(record(&n)->established, 0);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

static struct { struct sek_ban_event event; size_t bytes; } kept[EVENTS_KEPT];
static unsigned n_kept;

static int keep(void *context, void *data, size_t bytes)
{
	if (n_kept < EVENTS_KEPT) {
		memcpy(&kept[n_kept].event, data, bytes < sizeof(kept[0].event) ? bytes : sizeof(kept[0].event));
		kept[n_kept].bytes = bytes;
	}
	n_kept++;
	return 0;
}

static void read_events(void)
{
	static struct ring_buffer *ring;

	n_kept = 0;
	if (!ring)
		ring = ring_buffer__new(bpf_map__fd(harness_skel->maps.sek_events), keep, NULL, NULL);
	assert_non_null(ring);
	assert_true(ring_buffer__consume(ring) >= 0);
}

static unsigned count_events(int type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_kept && i < EVENTS_KEPT; i++)
		n += kept[i].event.event.type == type;
	return n;
}

static const struct sek_ban_event *event_of(int type)
{
	for (unsigned i = 0; i < n_kept && i < EVENTS_KEPT; i++)
		if (kept[i].event.event.type == type)
			return &kept[i].event;
	fail_msg("no event of type %d among %u", type, n_kept);
	return NULL;
}

/* One "over", drops within the budget, a ban with its evidence; each says whose and what. */
static void events(void **state)
{
	struct limit_settings l = limit(2);
	const struct sek_ban_event *event;
	uint64_t unsampled, start_ns, seconds;

	set_limit(&l);
	harness_control.events_per_s = 5;
	harness_apply();
	read_events();
	send_l4(6, IPPROTO_TCP, 8080, SYN, 2);
	read_events();
	assert_int_equal(n_kept, 0);
	send_l4(6, IPPROTO_TCP, 8080, SYN, 3);
	read_events();
	assert_int_equal(count_events(SEK_EVENT_OVER), 1);
	assert_in_range(count_events(SEK_EVENT_DROP), 1, 3);
	event = event_of(SEK_EVENT_DROP);
	assert_int_equal(event->event.verdict, SEK_V_DROP);
	assert_int_equal(event->event.reason, SEK_R_LIMIT);
	assert_int_equal(event->event.limit, NUMBER);
	assert_int_equal(event->event.source.family, 6);
	assert_int_equal(event->event.source.len, 128);
	assert_memory_equal(event->event.source.addr_be, frame_source6, 16);
	assert_int_equal(event->event.l4_proto, IPPROTO_TCP);
	assert_int_equal(event->event.tcp_flags, SYN);
	assert_int_equal(ntohs(event->event.dport_be), 8080);
	assert_int_equal(ntohs(event->event.sport_be), 4000);
	assert_int_equal(event->event.frame_bytes, frame.len);
	assert_int_equal(event->event.header_bytes, frame.len);
	assert_memory_equal(event->event.header, frame.bytes, frame.len);
	assert_int_equal(event->event.generation, 1);
	assert_in_range(event->event.time_ns, 1, harness_now_ns());
	unsampled = HARNESS_COUNTER(events_unsampled);
	start_ns = harness_now_ns();
	send_l4(6, IPPROTO_TCP, 8080, SYN, 500);
	read_events();
	seconds = (harness_now_ns() - start_ns) / 1000000000 + 2; /* it may have turned once more */
	assert_in_range(n_kept, 0, seconds * 5);
	assert_true(HARNESS_COUNTER(events_unsampled) - unsampled >= 500 - seconds * 5);
}

static void events_of_bans(void **state)
{
	struct limit_settings l = limit(2);
	const struct sek_ban_event *event;
	struct sek_entry_key key = { .family = 4, .len = 32 };
	struct sek_ban other = { .until_ns = SEK_FOREVER };

	l.ban = (struct limit_ban){ .is_set = true, .for_s = 60, .repeat = 2, .most_s = 600 };
	set_limit(&l);
	read_events();
	send_l4(4, IPPROTO_UDP, 53, 0, 6);
	read_events();
	assert_int_equal(count_events(SEK_EVENT_BAN), 1);
	event = event_of(SEK_EVENT_BAN);
	for (unsigned i = 0; i < n_kept; i++)
		assert_int_equal(kept[i].bytes, kept[i].event.event.type == SEK_EVENT_BAN ? sizeof(*event) : sizeof(event->event));
	assert_int_equal(event->event.source.len, 32);
	assert_memory_equal(event->event.source.addr_be, frame_source4, 4);
	assert_int_equal(event->event.limit, NUMBER);
	assert_int_equal(event->ban.until_ns - event->ban.since_ns, 60000000000ull);
	assert_true(event->evidence.busy);
	assert_true(event->evidence.udp >= 3 && event->evidence.udp == event->evidence.packets);
	/* A full map: refused, and said so within the budget. */
	set_limit(&l);
	harness_control.events_per_s = 1000; /* the tests before have used up some of this second's */
	harness_apply();
	for (int i = 0; i < HARNESS_BANS_MAX; i++) {
		key.addr_be[0] = i + 1;
		assert_int_equal(bpf_map_update_elem(harness_fd(BPF_MAP_BANS), &key, &other, 0), 0);
	}
	send_l4(4, IPPROTO_UDP, 53, 0, 6);
	read_events();
	assert_int_equal(count_events(SEK_EVENT_BAN), 0);
	assert_true(count_events(SEK_EVENT_BAN_REFUSED) >= 1);
}

/* A ring that nobody reads: what does not fit is counted, and packets go on. */
static void full_ring(void **state)
{
	struct limit_settings l = limit(1);
	uint64_t lost = HARNESS_COUNTER(events_lost), sent = HARNESS_COUNTER(events);
	int most = 2 * SEK_EVENTS_BYTES / sizeof(struct sek_event);

	set_limit(&l);
	harness_control.events_per_s = 1000000;
	harness_apply();
	read_events();
	for (int i = 0; i < most && HARNESS_COUNTER(events_lost) == lost; i++)
		send_l4(4, IPPROTO_UDP, 53, 0, 1);
	assert_true(HARNESS_COUNTER(events_lost) > lost);
	harness_expect("over", &frame, XDP_DROP, SEK_R_LIMIT, HARNESS_NO_WOULD);
	read_events();
	assert_true(HARNESS_COUNTER(events) - sent >= n_kept && n_kept > 1000);
}


int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(evidence_counts), cmocka_unit_test(evidence_owner),
		cmocka_unit_test(evidence_given_away),
		cmocka_unit_test(evidence_by_limit), cmocka_unit_test(evidence_conversations),
		cmocka_unit_test(events),	   cmocka_unit_test(events_of_bans), cmocka_unit_test(full_ring),
	};

	return cmocka_run_group_tests(tests, harness_setup_one_cpu, harness_teardown);
}
