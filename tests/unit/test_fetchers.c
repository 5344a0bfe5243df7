// SPDX-License-Identifier: GPL-2.0
/*
 * A fetcher that hangs, even a stopped one, is killed when its time is over, and no sooner, and the engine hears why; while it is
 * not gone nobody reads the same. No key ever is in the keeper's memory. There is no
 * helper: the children end at once.
 */
/* link: keeper/fetchers.c sys/channel.c sys/spawn.c sys/secret.c sys/log.c -luv */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeper/keeper.h"
#include "sys/channel.h"

#define OVER_MS 330000 /* FETCH_TOTAL_S and FETCH_PARSE_S */
#define FILE_OVER_MS 90000
#define KEY_OVER_MS 30000 /* KEY_TOTAL_S */

static struct keeper keeper;

static void start(int place, uint64_t started_ms, uint32_t total_s)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	close(pair[0]);
	keeper.fetcher[place] = (struct keeper_fetcher){ .started_ms = started_ms, .total_s = total_s, .fd = pair[1] };
	keeper.fetcher[place].pid = fork();
	assert_true(keeper.fetcher[place].pid >= 0);
	if (!keeper.fetcher[place].pid) {
		raise(SIGSTOP);
		_exit(0);
	}
}

static bool is_dead(int place)
{
	int status;
	pid_t pid = waitpid(keeper.fetcher[place].pid, &status, WNOHANG);

	if (pid <= 0)
		return false;
	fetchers_forget(&keeper, pid);
	return true;
}

static bool dies(int place)
{
	int i;

	for (i = 0; i < 20000; i++) {
		if (is_dead(place))
			return true;
		usleep(1000);
	}
	return false;
}

static void test_deadline(void **state)
{
	start(0, 1000, OVER_MS / 1000);
	start(1, 1001, OVER_MS / 1000);
	fetchers_tick(&keeper, 1000 + OVER_MS - 1);
	usleep(20000);
	assert_false(is_dead(0));
	fetchers_tick(&keeper, 1000 + OVER_MS);
	assert_true(dies(0));
	assert_int_equal(keeper.fetcher[0].pid, 0);
	assert_false(is_dead(1));
	fetchers_end(&keeper);
	assert_true(dies(1));
}


/* The keeper's place of the fetcher that fetchers_start() has just begun: the last of the room. */
static struct keeper_fetcher *begun(void)
{
	return &keeper.fetcher[KEEPER_FETCHERS_ROOM - 1];
}

static void forget(struct keeper_fetcher *place)
{
	pid_t pid = place->pid;

	(void)kill(pid, SIGKILL); /* mostly it has ended: there is no such program */
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	fetchers_forget(&keeper, pid);
	assert_int_equal(place->pid, 0);
}

/* What the keeper has of its config: one feed. */
static int set_up(void **state)
{
	static struct config_feed feed = { .name = "one", .guard.max_entries = 1000 };
	static struct config config = { .feeds = &feed, .n_feeds = 1 };

	assert_int_equal(uv_loop_init(&keeper.loop), 0);
	keeper.current.config = &config;
	keeper.fetch_uid = getuid();
	keeper.fetch_gid = getgid();
	snprintf(keeper.helpers, sizeof(keeper.helpers), "/nonexistent");
	return 0;
}

static int ask(int *ret_fd, char *why, size_t why_bytes)
{
	struct role_msg msg = { .type = ROLE_FETCH };

	why[0] = '\0';
	return fetchers_start(&keeper, &msg, ret_fd, why, why_bytes);
}

static void test_file_deadline(void **state)
{
	struct fetch_result result;
	struct keeper_fetcher *place = begun();
	char why[256], name[32];
	size_t len;
	int fd;

	keeper.current.config->feeds[0].path = "/nonexistent/list";
	assert_int_equal(ask(&fd, why, sizeof(why)), 0);
	fetchers_tick(&keeper, place->started_ms + FILE_OVER_MS - 1);
	assert_false(place->is_killed);
	fetchers_tick(&keeper, place->started_ms + FILE_OVER_MS);
	assert_true(place->is_killed);
	assert_int_equal(channel_recv(fd, &result, sizeof(result), &len, NULL, 0, NULL), 0);
	assert_int_equal(len, sizeof(result));
	assert_int_equal(result.magic, FETCH_MAGIC);
	assert_int_equal(result.status, FETCH_FAILED);
	snprintf(name, sizeof(name), "process %d,", (int)place->pid);
	assert_non_null(strstr(result.why, name));
	assert_non_null(strstr(result.why, "no end after 90 s"));
	assert_int_equal(channel_recv(fd, &result, sizeof(result), &len, NULL, 0, NULL), -ECONNRESET);
	close(fd);
	forget(place);
}

/* While its job waits in the channel the key's file is what it waits for; who has taken it has all its time. */
static void test_key_deadline(void **state)
{
	struct config_feed *feed = &keeper.current.config->feeds[0];
	static struct fetch_job job;
	struct fetch_result result;
	struct keeper_fetcher *place;
	char why[256];
	size_t len;
	int fd;

	feed->path = NULL;
	feed->url = "https://192.0.2.1/list";
	feed->key_file = "/nonexistent/key";
	assert_int_equal(ask(&fd, why, sizeof(why)), 0);
	place = begun();
	assert_int_equal(channel_recv(place->fd, &job, sizeof(job), &len, NULL, 0, NULL), 0);
	fetchers_tick(&keeper, place->started_ms + OVER_MS - 1);
	assert_false(place->is_killed);
	fetchers_tick(&keeper, place->started_ms + OVER_MS);
	assert_true(place->is_killed);
	close(fd);
	forget(place);
	assert_int_equal(ask(&fd, why, sizeof(why)), 0);
	fetchers_tick(&keeper, place->started_ms + KEY_OVER_MS - 1);
	assert_false(place->is_killed);
	fetchers_tick(&keeper, place->started_ms + KEY_OVER_MS);
	assert_true(place->is_killed);
	assert_int_equal(channel_recv(fd, &result, sizeof(result), &len, NULL, 0, NULL), 0);
	assert_non_null(strstr(result.why, "no end after 30 s"));
	assert_non_null(strstr(result.why, "is its key-file on a mount that does not answer?"));
	close(fd);
	forget(place);
	feed->url = feed->key_file = NULL;
}

/* A child of ours stands for one that cannot be killed. */
static void test_hanging(void **state)
{
	struct keeper_fetcher *place = begun();
	char why[256], name[32];
	pid_t child, gone;
	int fd;

	keeper.current.config->feeds[0].path = "/nonexistent/list";
	assert_int_equal(ask(&fd, why, sizeof(why)), 0);
	close(fd);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		raise(SIGSTOP);
		_exit(0);
	}
	gone = place->pid;
	assert_int_equal(waitpid(gone, NULL, 0), gone);
	place->pid = child;
	close(place->fd);
	place->is_killed = true;
	place->killed_ms = uv_now(&keeper.loop);
	assert_int_equal(ask(&fd, why, sizeof(why)), -EAGAIN);
	assert_string_equal(why, "");
	place->killed_ms -= 1000;
	assert_int_equal(ask(&fd, why, sizeof(why)), -EBUSY);
	snprintf(name, sizeof(name), "process %d,", (int)child);
	assert_non_null(strstr(why, name));
	keeper.current.config->feeds[0].path = "/nonexistent/other"; /* control: another source */
	assert_int_equal(ask(&fd, why, sizeof(why)), 0);
	close(fd);
	forget(place - 1);
	forget(place);
	assert_int_equal(ask(&fd, why, sizeof(why)), 0);
	close(fd);
	forget(place);
}

#define KEY_BYTES 30
#define PIECE_BYTES 10 /* no such part of it may be left */
#define MASK 0x5a      /* the test itself never has the key in one piece */
#define DEEP_BYTES (256 << 10) /* under the frames of the search, which would write over what was left */
#define REGION_MAX (64ul << 20) /* ASan's shadow is larger */

static char key_path[64];
static unsigned char masked[KEY_BYTES];

static void make_key(void)
{
	char command[160];
	unsigned char byte;
	int fd, i;

	snprintf(key_path, sizeof(key_path), "/tmp/sek-key-%d", (int)getpid());
	snprintf(command, sizeof(command), "umask 077 && tr -dc a-z0-9 < /dev/urandom | head -c %d > %s", KEY_BYTES, key_path);
	assert_int_equal(system(command), 0);
	fd = open(key_path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (i = 0; i < KEY_BYTES; i++) {
		assert_int_equal(read(fd, &byte, 1), 1);
		masked[i] = byte ^ MASK;
	}
	close(fd);
}

static bool has_piece(const unsigned char *data, size_t len)
{
	size_t i, piece, k;

	for (i = 0; i + PIECE_BYTES <= len; i++) {
		for (piece = 0; piece < KEY_BYTES; piece += PIECE_BYTES) {
			for (k = 0; k < PIECE_BYTES && (data[i + k] ^ MASK) == masked[piece + k]; k++)
				;
			if (k == PIECE_BYTES)
				return true;
		}
	}
	return false;
}

/* Does a part of the key stand anywhere in what this process may write to? */
static bool key_is_left(void)
{
	unsigned char *room = mmap(NULL, REGION_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *maps = fopen("/proc/self/maps", "re");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned long first, last, n_read = 0;
	bool found = false;
	char line[512], mode[8];

	assert_ptr_not_equal(room, MAP_FAILED);
	assert_non_null(maps);
	assert_true(mem >= 0);
	while (!found && fgets(line, sizeof(line), maps)) {
		ssize_t n;

		assert_int_equal(sscanf(line, "%lx-%lx %7s", &first, &last, mode), 3);
		if (mode[0] != 'r' || mode[1] != 'w' || last - first >= REGION_MAX)
			continue; /* the room's own is one of those */
		n = pread(mem, room, last - first, (off_t)first);
		n_read += n > 0 ? n : 0;
		found = n > 0 && has_piece(room, n);
	}
	fclose(maps);
	close(mem);
	assert_true(n_read > DEEP_BYTES);
	munmap(room, REGION_MAX);
	return found;
}

/* Control: who reads the file and does not wipe. */
static __attribute__((noinline)) void read_and_leave(void)
{
	volatile char deep[DEEP_BYTES];
	char text[KEY_BYTES];
	int fd = open(key_path, O_RDONLY | O_CLOEXEC);

	deep[0] = deep[sizeof(deep) - 1] = 0;
	assert_int_equal(read(fd, text, sizeof(text)), KEY_BYTES);
	close(fd);
}

static __attribute__((noinline)) int ask_deep(int *ret_fd)
{
	volatile char deep[DEEP_BYTES];
	char why[256];

	deep[0] = deep[sizeof(deep) - 1] = 0;
	return ask(ret_fd, why, sizeof(why)) + deep[0];
}

static void test_no_key_in_the_keeper(void **state)
{
	struct config_feed *feed = &keeper.current.config->feeds[0];
	static struct fetch_job job;
	size_t len;
	int fd = -1;

	make_key();
	feed->path = NULL;
	feed->url = "https://192.0.2.1/list";
	feed->key_file = key_path;
	strcpy(feed->key_header, "Key");
	assert_false(key_is_left());
	assert_int_equal(ask_deep(&fd), 0);
	assert_false(key_is_left());
	/* the job that waits in the channel has what stands before it */
	assert_int_equal(channel_recv(begun()->fd, &job, sizeof(job), &len, NULL, 0, NULL), 0);
	assert_string_equal(job.secret, "Key: ");
	assert_string_equal(job.key_file, key_path);
	assert_int_equal(job.has_key, 1);
	close(fd);
	forget(begun());
	read_and_leave();
	assert_true(key_is_left());
	unlink(key_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_file_deadline),
		cmocka_unit_test(test_key_deadline),
		cmocka_unit_test(test_hanging),
		cmocka_unit_test(test_no_key_in_the_keeper),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
