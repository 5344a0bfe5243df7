// SPDX-License-Identifier: GPL-2.0
/*
 * Resolves, and connects by racing what it is given. In: names and addresses. Out: a connected
 * socket. It sends and reads no byte.
 */
#include "sys/dial.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Attempts under way; of one that has failed or not begun, the descriptor is -1. */
struct race {
	const struct dial_address *addresses;
	struct pollfd attempts[DIAL_ADDRESSES_MAX];
	unsigned n, begun, waiting;
	int err; /* of the last that failed */
};

uint64_t dial_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int dial_resolve(const char *host, uint16_t port, struct dial_address *addresses, unsigned max,
		 unsigned *ret_n)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *all, *one;
	char service[8];
	unsigned n = 0;

	(void)snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &all))
		return -ENOENT;
	for (one = all; one && n < max; one = one->ai_next) {
		if (one->ai_addrlen > sizeof(addresses[n].at.room))
			continue;
		memcpy(&addresses[n].at.room, one->ai_addr, one->ai_addrlen);
		addresses[n++].bytes = one->ai_addrlen;
	}
	freeaddrinfo(all);
	if (!n)
		return -ENOENT;
	*ret_n = n;
	return 0;
}

/*
 * An address without its port, and an IPv4 one inside IPv6, to which the kernel connects all the
 * same, as itself.
 */
struct plain {
	uint8_t bytes[16];
	bool is_v6;
};

/* By copies, as http_addr.c: a sockaddr_in is no sockaddr to the compiler. */
static bool read_plain(const struct sockaddr *address, struct plain *ret_plain)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct plain plain = {0};

	if (address->sa_family == AF_INET) {
		memcpy(&in, address, sizeof(in));
		memcpy(plain.bytes, &in.sin_addr, sizeof(in.sin_addr));
	} else if (address->sa_family == AF_INET6) {
		memcpy(&in6, address, sizeof(in6));
		plain.is_v6 = !IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
		memcpy(plain.bytes, in6.sin6_addr.s6_addr + (plain.is_v6 ? 0 : 12),
		       plain.is_v6 ? 16 : 4);
	} else {
		return false;
	}
	*ret_plain = plain;
	return true;
}

/* All of 127/8 is the loopback's, though an interface names but one of it. */
static bool is_loopback(const struct plain *plain)
{
	static const uint8_t none[16];

	if (!memcmp(plain->bytes, none, plain->is_v6 ? 16 : 4))
		return true;
	return plain->is_v6 ? !memcmp(plain->bytes, &in6addr_loopback, 16) : plain->bytes[0] == 127;
}

bool dial_is_ours(const struct sockaddr *address)
{
	struct plain wanted, have;
	struct ifaddrs *all, *one;
	bool is_ours = false;

	if (!read_plain(address, &wanted) || is_loopback(&wanted) || getifaddrs(&all))
		return true;
	for (one = all; one && !is_ours; one = one->ifa_next)
		is_ours = one->ifa_addr && read_plain(one->ifa_addr, &have) &&
			  have.is_v6 == wanted.is_v6 &&
			  !memcmp(have.bytes, wanted.bytes, sizeof(have.bytes));
	freeifaddrs(all);
	return is_ours;
}

/* Begins the next attempt. Returns its descriptor where it is connected already, else -1. */
static int begin(struct race *race)
{
	const struct dial_address *to = &race->addresses[race->begun];
	struct pollfd *attempt = &race->attempts[race->begun++];

	attempt->events = POLLOUT;
	attempt->fd = socket(to->at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			     IPPROTO_TCP);
	if (attempt->fd >= 0 && !connect(attempt->fd, &to->at.any, to->bytes))
		return attempt->fd;
	if (attempt->fd >= 0 && errno == EINPROGRESS) {
		race->waiting++;
		return -1;
	}
	race->err = -errno;
	if (attempt->fd >= 0)
		(void)close(attempt->fd); /* the error is what counts */
	attempt->fd = -1;
	return -1;
}

/* What came of attempt @i, which poll() says is over: true where it is connected. */
static bool finish(struct race *race, unsigned i)
{
	struct pollfd *attempt = &race->attempts[i];
	const struct dial_address *to = &race->addresses[i];

	/*
	 * Asked again, the kernel says what became of it, and takes a connected socket for one that
	 * is.
	 */
	if (!connect(attempt->fd, &to->at.any, to->bytes))
		return true;
	race->err = -errno;
	(void)close(attempt->fd); /* the error is what counts */
	attempt->fd = -1;
	race->waiting--;
	return false;
}

/* Runs until one is connected, none is left, or @end_ms. Returns which, or negative errno. */
static int run(struct race *race, uint64_t end_ms)
{
	uint64_t next_ms = 0, now;
	unsigned i;
	int failed;

	for (now = dial_now_ms(); now < end_ms && (race->waiting || race->begun < race->n);
	     now = dial_now_ms()) {
		uint64_t until_ms = end_ms;

		if (race->begun < race->n && (now >= next_ms || !race->waiting)) {
			if (begin(race) >= 0)
				return (int)race->begun - 1;
			next_ms = now + DIAL_HEAD_START_MS;
		}
		if (!race->waiting)
			continue;
		if (race->begun < race->n && next_ms < end_ms)
			until_ms = next_ms;
		if (poll(race->attempts, race->begun, (int)(until_ms > now ? until_ms - now : 0)) <=
		    0)
			continue;
		for (failed = 0, i = 0; i < race->begun; i++) {
			if (race->attempts[i].fd < 0 || !race->attempts[i].revents)
				continue;
			if (finish(race, i))
				return (int)i;
			failed++;
		}
		next_ms = failed ? 0 : next_ms;
	}
	return race->waiting || !race->err ? -ETIMEDOUT : race->err;
}

int dial_connect(const struct dial_address *addresses, unsigned n, uint64_t end_ms, int *ret_fd,
		 unsigned *ret_which)
{
	struct race race = {.addresses = addresses,
			    .n = n < DIAL_ADDRESSES_MAX ? n : DIAL_ADDRESSES_MAX};
	unsigned i;
	int which;

	for (i = 0; i < DIAL_ADDRESSES_MAX; i++)
		race.attempts[i].fd = -1;
	which = run(&race, end_ms);
	for (i = 0; i < race.begun; i++)
		if (race.attempts[i].fd >= 0 && (int)i != which)
			(void)close(race.attempts[i].fd); /* it came second */
	if (which < 0)
		return which;
	*ret_fd = race.attempts[which].fd;
	*ret_which = (unsigned)which;
	return 0;
}
