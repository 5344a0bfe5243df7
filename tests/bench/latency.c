// SPDX-License-Identifier: GPL-2.0
/*
 * Time from a request to the first packet it stops. A steady stream of one source runs through a
 * veth pair while the request is made; the first dropped packet is the one behind the last that
 * arrived, and its send time counts. usage: latency GUN-NETNS GUN-IFACE SINK-NETNS SINK-IFACE
 * ADDRESS PORT (root); ADDRESS is the sink's. One job a line on stdin, `SOURCE socket PATH REQUEST`
 * or `SOURCE run COMMAND`; for each a line on stdout: microseconds to the first dropped packet and
 * to the answer, then how wide the stream's gap was there; or `failed: why`.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PACKETS_MAX (1u << 22) /* of one job: at 20 us and more apart, over 80 s */
#define GAP_NS 20000
#define SURE_PACKETS                                                                               \
	50 /* that must arrive before a request, and be missing behind the last that arrived */
#define SURE_NS 5000000ull /* and for at least as long */
#define DEADLINE_NS 60000000000ull

struct probe {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	uint32_t job, seq;
} __attribute__((packed));

static struct {
	int gun, sink;
	struct probe frame;
	pthread_t thread;
	bool stop;		/* by the main thread */
	uint32_t sent, arrived; /* by the stream's thread; arrived counts packets of this job */
	uint32_t last_arrived;	/* seq */
	uint64_t sent_ns[PACKETS_MAX];
} stream;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void drain(void)
{
	struct { uint32_t job, seq; } got;

	while (recv(stream.sink, &got, sizeof(got), MSG_DONTWAIT) == sizeof(got)) {
		if (got.job != stream.frame.job)
			continue;
		__atomic_store_n(&stream.last_arrived, got.seq, __ATOMIC_RELEASE);
		__atomic_store_n(&stream.arrived, stream.arrived + 1, __ATOMIC_RELEASE);
	}
}

static void *run_stream(void *unused)
{
	struct timespec gap = { .tv_nsec = GAP_NS };

	prctl(PR_SET_TIMERSLACK, 1);
	while (!__atomic_load_n(&stream.stop, __ATOMIC_ACQUIRE) && stream.sent < PACKETS_MAX) {
		stream.frame.seq = stream.sent;
		stream.sent_ns[stream.sent] = now_ns();
		if (send(stream.gun, &stream.frame, sizeof(stream.frame), 0) ==
		    sizeof(stream.frame))
			__atomic_store_n(&stream.sent, stream.sent + 1, __ATOMIC_RELEASE);
		drain();
		nanosleep(&gap, NULL);
	}
	usleep(2000);
	drain();
	return NULL;
}

static uint16_t ip_checksum(const struct iphdr *ip)
{
	const uint16_t *words = (const void *)ip;
	uint32_t sum = 0, i;

	for (i = 0; i < sizeof(*ip) / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

static void start_stream(in_addr_t source)
{
	struct iphdr ip = stream.frame.ip;
	static uint32_t job;

	ip.saddr = source;
	ip.check = 0;
	ip.check = ip_checksum(&ip);
	stream.frame.ip = ip;
	stream.frame.job = ++job;
	stream.sent = stream.arrived = stream.last_arrived = 0;
	stream.stop = false;
	pthread_create(&stream.thread, NULL, run_stream, NULL);
}

static void stop_stream(void)
{
	__atomic_store_n(&stream.stop, true, __ATOMIC_RELEASE);
	pthread_join(stream.thread, NULL);
}

/* One line to the control socket, one back. */
static const char *ask(const char *path, const char *request)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[4096];
	ssize_t n = 0;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr)) &&
	    dprintf(fd, "%s\n", request) == (int)strlen(request) + 1)
		n = recv(fd, answer, sizeof(answer) - 1, 0);
	if (fd >= 0)
		close(fd);
	answer[n > 0 ? n : 0] = '\0';
	return strstr(answer, "\"ok\":true") ? NULL : "the agent refuses";
}

/*
 * Runs @words, cut at blanks, without a shell; spawned, as a fork would copy the pages of sent_ns.
 */
static const char *run_command(char *words)
{
	posix_spawn_file_actions_t actions;
	char *argv[32], *save;
	int n = 0, status = -1;
	pid_t child;

	for (argv[n] = strtok_r(words, " ", &save); argv[n] && n < 30;)
		argv[++n] = strtok_r(NULL, " ", &save);
	argv[n] = NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&child, argv[0], &actions, NULL, argv, environ) ||
	    waitpid(child, &status, 0) != child)
		status = -1;
	posix_spawn_file_actions_destroy(&actions);
	return status ? "the command failed" : NULL;
}

/* Waits for @count packets to have arrived: the source passes. */
static bool wait_passing(uint32_t count)
{
	uint64_t end = now_ns() + 2000000000ull;

	while (__atomic_load_n(&stream.arrived, __ATOMIC_ACQUIRE) < count)
		if (now_ns() > end || usleep(1000))
			return false;
	return true;
}

static bool wait_dropping(void)
{
	uint64_t end = now_ns() + DEADLINE_NS;
	uint32_t last, sent;

	while (now_ns() < end) {
		last = __atomic_load_n(&stream.last_arrived, __ATOMIC_ACQUIRE);
		sent = __atomic_load_n(&stream.sent, __ATOMIC_ACQUIRE);
		if (sent > last + SURE_PACKETS &&
		    stream.sent_ns[sent - 1] - stream.sent_ns[last + 1] > SURE_NS)
			return true;
		usleep(500);
	}
	return false;
}

static void do_job(char *line)
{
	char *source = strtok(line, " "), *kind = strtok(NULL, " "), *path, *rest;
	const char *why = NULL;
	uint64_t start = 0, end = 0, first;

	if (!source || !kind)
		return;
	start_stream(inet_addr(source));
	if (!wait_passing(SURE_PACKETS)) {
		why = "the source did not pass before";
	} else {
		path = strcmp(kind, "socket") ? NULL : strtok(NULL, " ");
		rest = strtok(NULL, "");
		start = now_ns();
		why = path ? ask(path, rest) : run_command(rest);
		end = now_ns();
		if (!why && !wait_dropping())
			why = "nothing was dropped";
	}
	stop_stream();
	first = stream.last_arrived + 1;
	if (!why && stream.arrived != first)
		why = "packets were lost before the first drop";
	if (!why && first >= stream.sent)
		why = "the last packet passed";
	if (why)
		printf("failed: %s\n", why);
	else
		printf("%.1f %.1f %.1f\n", ((double)stream.sent_ns[first] - start) / 1000,
		       (end - start) / 1000.0,
		       (stream.sent_ns[first] - stream.sent_ns[first - 1]) / 1000.0);
	fflush(stdout);
}

static int socket_in(const char *netns, int domain, int type, int protocol)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		return -1;
	close(fd);
	return socket(domain, type | SOCK_CLOEXEC, protocol);
}

static int open_gun(const char *netns, const char *iface)
{
	struct sockaddr_ll link = { .sll_family = AF_PACKET, .sll_halen = 6 };
	int fd = socket_in(netns, AF_PACKET, SOCK_RAW, 0);

	link.sll_ifindex = fd < 0 ? 0 : if_nametoindex(iface);
	return fd >= 0 && !bind(fd, (struct sockaddr *)&link, sizeof(link))
		   ? fd
		   : -1; /* it ends with us */
}

static int open_sink(const char *netns, const char *iface, const char *port, uint8_t ret_mac[6])
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = socket_in(netns, AF_INET, SOCK_DGRAM, 0), bytes = 8 << 20;
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", iface);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)))
		return -1;
	memcpy(ret_mac, request.ifr_hwaddr.sa_data, 6);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
			 sizeof(bytes)); /* lost packets are found */
	return fd;
}

int main(int argc, char **argv)
{
	const size_t len = sizeof(stream.frame) - sizeof(stream.frame.eth);
	static char line[1 << 16];

	if (argc != 7) {
		fprintf(stderr,
			"usage: latency GUN-NETNS GUN-IFACE SINK-NETNS SINK-IFACE ADDRESS PORT\n");
		return 2;
	}
	stream.gun = open_gun(argv[1], argv[2]);
	stream.sink = open_sink(argv[3], argv[4], argv[6], stream.frame.eth.h_dest);
	if (stream.gun < 0 || stream.sink < 0) {
		perror("latency: sockets");
		return 1;
	}
	stream.frame.eth.h_proto = htons(ETH_P_IP);
	stream.frame.ip = (struct iphdr){ .version = 4,
					  .ihl = 5,
					  .ttl = 64,
					  .protocol = IPPROTO_UDP,
					  .tot_len = htons(len),
					  .daddr = inet_addr(argv[5]) };
	stream.frame.udp.dest = htons(atoi(argv[6]));
	stream.frame.udp.len = htons(len - sizeof(stream.frame.ip));
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		do_job(line);
	}
	return 0;
}
