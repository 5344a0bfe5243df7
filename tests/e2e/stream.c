// SPDX-License-Identifier: GPL-2.0
/*
 * Steady UDP traffic with numbered packets, and its count at the other end. `send` sends from each source the same number a
 * second until SIGTERM and prints `SOURCE SENT`; `count` prints, on SIGTERM and once the socket is empty,
 * `SOURCE RECEIVED LAST DISORDERED FIRST_NS LAST_NS` and `overflow N`: packets lost in its own socket. The times are the
 * kernel's, of the first and the last packet as they came in, however late this program reads them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SOURCES_MAX 32
#define TICK_NS 1000000		    /* ns: a source's packets go out one by one at up to 1000/s, else in small groups */
#define BUFFER_BYTES (128 << 20)    /* bytes: a receiver off the CPU for seconds loses nothing */
#define QUIET_US 300000		    /* us without a packet after SIGTERM: the rest has come */

struct payload {
	uint32_t source; /* index among the sender's sources */
	uint32_t pad;
	uint64_t number; /* from 0 */
};

static volatile sig_atomic_t is_over;

static void on_term(int signum)
{
	is_over = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "stream: %s: %s\n", what, strerror(errno));
	exit(1);
}

static socklen_t read_address(const char *text, uint16_t port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in *v4 = (void *)ret_address;
	struct sockaddr_in6 *v6 = (void *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	errno = EINVAL;
	if (strchr(text, ':')) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
			die(text);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	if (inet_pton(AF_INET, text, &v4->sin_addr) != 1)
		die(text);
	return sizeof(*v4);
}

static int open_source(const char *source, const char *to, uint16_t port)
{
	struct sockaddr_storage from, target;
	socklen_t len = read_address(source, 0, &from);
	int fd = socket(from.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)read_address(to, port, &target); /* dies itself */
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, len) || connect(fd, (struct sockaddr *)&target, len))
		die(source);
	return fd;
}

static void tick(struct timespec *next)
{
	next->tv_nsec += TICK_NS;
	if (next->tv_nsec >= 1000000000) {
		next->tv_nsec -= 1000000000;
		next->tv_sec++;
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) == EINTR && !is_over)
		;
}

/* argv: DESTINATION4 DESTINATION6 PORT PACKETS_A_SECOND SOURCE... */
static int send_all(int argc, char **argv)
{
	uint64_t rate_pps = strtoull(argv[3], NULL, 10), due = 0, ticks = 0;
	uint16_t port = (uint16_t)atoi(argv[2]);
	struct payload payload = { 0 };
	int fd[SOURCES_MAX], n = argc - 4;
	struct timespec next;

	for (int i = 0; i < n; i++)
		fd[i] = open_source(argv[4 + i], argv[strchr(argv[4 + i], ':') ? 1 : 0], port);
	clock_gettime(CLOCK_MONOTONIC, &next);
	while (!is_over) {
		tick(&next);
		due = ++ticks * rate_pps / (1000000000 / TICK_NS);
		for (; payload.number < due; payload.number++) {
			for (int i = 0; i < n; i++) {
				payload.source = (uint32_t)i;
				if (send(fd[i], &payload, sizeof(payload), 0) != sizeof(payload))
					die(argv[4 + i]);
			}
		}
	}
	for (int i = 0; i < n; i++)
		printf("%s %llu\n", argv[4 + i], (unsigned long long)payload.number);
	return 0;
}

struct count {
	char source[INET6_ADDRSTRLEN];
	uint64_t received, last, disordered; /* last: highest number + 1 */
	uint64_t first_ns, last_ns;	     /* CLOCK_REALTIME */
};

static void count_one(struct count *counts, const struct payload *payload, const struct sockaddr_in6 *from, uint64_t came_ns)
{
	struct count *count;

	if (payload->source >= SOURCES_MAX)
		return;
	count = &counts[payload->source];
	if (!count->received++) {
		inet_ntop(AF_INET6, &from->sin6_addr, count->source, sizeof(count->source));
		count->first_ns = came_ns;
	}
	count->last_ns = came_ns;
	if (payload->number < count->last)
		count->disordered++;
	else
		count->last = payload->number + 1;
}

static int open_sink(uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = BUFFER_BYTES, zero = 0, one = 1;
	struct timeval quiet = { .tv_usec = QUIET_US };

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof(one)) || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof(quiet)) || bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("socket");
	return fd;
}

/* The kernel's words beside a packet. */
static void read_control(struct msghdr *msg, uint32_t *overflow, uint64_t *ret_came_ns)
{
	struct timespec came = { 0 };

	for (struct cmsghdr *head = CMSG_FIRSTHDR(msg); head; head = CMSG_NXTHDR(msg, head)) {
		if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SO_RXQ_OVFL)
			memcpy(overflow, CMSG_DATA(head), sizeof(*overflow));
		if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_TIMESTAMPNS)
			memcpy(&came, CMSG_DATA(head), sizeof(came));
	}
	*ret_came_ns = came.tv_sec * 1000000000ull + came.tv_nsec;
}

/* argv: PORT */
static int count_all(char **argv)
{
	static struct count counts[SOURCES_MAX];
	int fd = open_sink((uint16_t)atoi(argv[0]));
	uint32_t overflow = 0;

	puts("ready");
	fflush(stdout);
	for (;;) {
		char control[CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(struct timespec))];
		struct sockaddr_in6 from;
		struct payload payload;
		struct iovec part = { &payload, sizeof(payload) };
		struct msghdr msg = { &from, sizeof(from), &part, 1, control, sizeof(control), 0 };
		ssize_t n = recvmsg(fd, &msg, 0);
		uint64_t came_ns;

		if (n < 0 && errno == EAGAIN && is_over)
			break;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			die("recvmsg");
		if (n != sizeof(payload))
			continue;
		read_control(&msg, &overflow, &came_ns);
		count_one(counts, &payload, &from, came_ns);
	}
	for (int i = 0; i < SOURCES_MAX; i++) {
		if (counts[i].received)
			printf("%s %llu %llu %llu %llu %llu\n", counts[i].source, (unsigned long long)counts[i].received,
			       (unsigned long long)counts[i].last, (unsigned long long)counts[i].disordered,
			       (unsigned long long)counts[i].first_ns, (unsigned long long)counts[i].last_ns);
	}
	printf("overflow %u\n", overflow);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_term };

	sigaction(SIGTERM, &action, NULL);
	if (argc == 3 && !strcmp(argv[1], "count"))
		return count_all(argv + 2);
	if (argc > 6 && argc <= 6 + SOURCES_MAX && !strcmp(argv[1], "send"))
		return send_all(argc - 2, argv + 2);
	fputs("usage: stream count PORT | stream send DESTINATION4 DESTINATION6 PORT PACKETS_A_SECOND SOURCE...\n", stderr);
	return 2;
}
