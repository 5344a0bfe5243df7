// SPDX-License-Identifier: GPL-2.0
/*
 * An engine in an attacker's hands: takes the keeper's end of the channel and misuses it in the way
 * that the file `attack` in its state folder names. Started by a copy of sekishod; prints what it
 * was answered.
 */
/* link: sys/channel.c */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/fetch_msg.h"
#include "lib/role_msg.h"
#include "lib/table_build.h"
#include "sys/channel.h"

#define GATEWAY                                                                                    \
	{                                                                                          \
		10, 99, 0, 254                                                                     \
	}

static char attack[64];
static uint32_t seq;

static void say(const char *what, const struct role_msg *answer)
{
	fprintf(stderr, "fake: %s: %d %s\n", what, answer->err, answer->text);
}

static int receive(struct role_msg *msg)
{
	struct pollfd one = {.fd = ROLE_ENGINE_FD, .events = POLLIN};
	int fds[ROLE_FDS_MAX];
	unsigned n;
	size_t len;

	if (poll(&one, 1, 30000) != 1 ||
	    channel_recv(ROLE_ENGINE_FD, msg, sizeof(*msg), &len, fds, ROLE_FDS_MAX, &n))
		exit(9);
	while (n)
		close(fds[--n]);
	return msg->type;
}

static void ask(const char *what, struct role_msg *msg, const int *fds, unsigned n_fds)
{
	struct role_msg answer;

	msg->magic = ROLE_MAGIC;
	msg->n_fds = n_fds;
	msg->seq = ++seq;
	if (channel_send(ROLE_ENGINE_FD, msg, sizeof(*msg), fds, n_fds))
		exit(8);
	while (receive(&answer) != ROLE_REPLY || answer.seq != seq)
		;
	say(what, &answer);
}

static void *random_bytes(size_t len)
{
	unsigned char *bytes = malloc(len);
	size_t i;

	for (i = 0; bytes && i < len; i++)
		bytes[i] = random();
	return bytes;
}

/* An image that blocks every address of both families. */
static int block_everything(struct table_image *ret_image)
{
	static const struct prefix4 v4[] = {{.addr = 0, .len = 1}, {.addr = 1u << 31, .len = 1}};
	static const struct prefix6 v6[] = {{.hi = 0, .len = 1}, {.hi = 1ull << 63, .len = 1}};
	struct policy_list list = {.id = 1,
				   .action = SEK_A_BLOCK,
				   .keep_private = true,
				   .v4 = v4,
				   .n4 = 2,
				   .v6 = v6,
				   .n6 = 2};
	struct policy *policy;
	uint32_t i;
	int err = policy_flatten(&list, 1, &policy);

	if (err)
		return err;
	for (i = 1; i < policy->n_classes; i++)
		policy->classes[i].counter = i;
	err = table_build(policy, 1000, 42, ret_image);
	policy_free(policy);
	return err;
}

static void swap(const char *what, int fd, unsigned n_fds)
{
	struct role_msg msg = {.type = ROLE_SWAP};
	int fds[8] = {fd, fd, fd, fd, fd, fd, fd, fd};

	ask(what, &msg, fds, n_fds);
}

static void attack_swap(void)
{
	struct table_image image = {0};
	char *bytes;
	size_t len;
	int fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING), pair[2];

	if (block_everything(&image) || fd < 0 || pipe2(pair, O_CLOEXEC))
		exit(7);
	bytes = image.lines;
	len = image.n_lines * 64ul;
	swap("no descriptor", fd, 0);
	swap("eight descriptors", fd, 8);
	swap("a pipe", pair[0], 1);
	swap("unsealed", fd, 1);
	swap("a socket", ROLE_ENGINE_FD, 1);
	swap("empty", channel_memfd("x", "", 0), 1);
	swap("random", channel_memfd("x", random_bytes(1 << 20), 1 << 20), 1);
	swap("cut short", channel_memfd("x", bytes, len - 64), 1);
	swap("a byte short", channel_memfd("x", bytes, len - 1), 1);
	bytes[len - 7] ^= 1;
	swap("a wrong bit", channel_memfd("x", bytes, len), 1);
	bytes[len - 7] ^= 1;
	swap("blocks everything", channel_memfd("x", bytes, len), 1);
}

static struct role_entry entry_of(unsigned len, uint32_t flags)
{
	static const uint8_t gateway[4] = GATEWAY;
	struct role_entry entry = {.key = {.family = 4, .len = len},
				   .value = {.block_until_ns = SEK_FOREVER, .flags = flags}};

	memcpy(entry.key.addr_be, gateway, 4);
	return entry;
}

/* A whole set, as from the state, which is not held against the rails; with it what the test has blocked before. */
static void attack_restored(void)
{
	struct role_msg msg = {.type = ROLE_ENTRIES, .body.entries = {.count = 2, .replace = 1}};
	struct role_entry all[2] = {entry_of(32, SEK_E_FORCED), entry_of(32, 0)};
	int fd;

	memcpy(all[1].key.addr_be, (uint8_t[]){198, 51, 100, 7}, 4);
	fd = channel_memfd("x", all, sizeof(all));
	ask("the program's flag, restored", &msg, &fd, 1);
}

static void attack_entries(void)
{
	struct role_msg msg = {.type = ROLE_ENTRY, .body.entry = entry_of(32, 0)};
	struct role_entry all[3] = {entry_of(32, SEK_E_FORCED), entry_of(32, 0), entry_of(0, 0)};
	int fd = channel_memfd("x", all, sizeof(all));

	ask("gateway", &msg, NULL, 0);
	msg.body.entry = entry_of(32, SEK_E_FORCED);
	ask("gateway with the program's flag", &msg, NULL, 0);
	msg.body.entry = entry_of(32, SEK_E_BAN);
	msg.body.entry.force = 1;
	ask("gateway, a ban with force", &msg, NULL, 0);
	msg.body.entry = entry_of(0, 0);
	msg.body.entry.force = 1;
	ask("a /0 with force", &msg, NULL, 0);
	msg.body.entry = entry_of(1, 0);
	memset(msg.body.entry.key.addr_be, 0, 4);
	msg.body.entry.force = 1;
	ask("a /1 with force", &msg, NULL, 0);
	msg.body.entry = entry_of(4, 0);
	memset(msg.body.entry.key.addr_be, 0, 4);
	msg.body.entry.key.addr_be[0] = 0xf0;
	ask("a /4 without force", &msg, NULL, 0);
	msg.body.entry = entry_of(33, 0);
	ask("a /33", &msg, NULL, 0);
	msg.body.entry = entry_of(24, 0);
	ask("host bits", &msg, NULL, 0);
	msg.type = ROLE_ENTRIES;
	msg.body.entries.count = 4;
	msg.body.entries.replace = 0;
	ask("one more than is there", &msg, &fd, 1);
	msg.body.entries.count = ~0u;
	ask("four billion", &msg, &fd, 1);
	msg.body.entries.count = 3;
	ask("three bad ones", &msg, &fd, 1);
	attack_restored();
}

static struct role_ban ban_of(unsigned len)
{
	static const uint8_t gateway[4] = GATEWAY;
	struct role_ban ban = {.key = {.family = 4, .len = len},
			       .value = {.since_ns = 1, .until_ns = ~0ull >> 20, .trial_until_ns = ~0ull >> 20}};

	memcpy(ban.key.addr_be, gateway, 4);
	return ban;
}

static void attack_bans(void)
{
	struct role_msg msg = {.type = ROLE_BAN_SET, .body.ban = ban_of(32)};
	struct role_ban all[2] = {ban_of(32), ban_of(0)};
	int fd = channel_memfd("x", all, sizeof(all));

	ask("gateway", &msg, NULL, 0);
	msg.body.ban = ban_of(24);
	ask("host bits", &msg, NULL, 0);
	msg.body.ban = ban_of(0);
	ask("a /0", &msg, NULL, 0);
	msg.body.ban = ban_of(32);
	msg.body.ban.key.addr_be[3]--;
	msg.body.ban.value.since_ns = ~0ull;
	ask("begins in the future", &msg, NULL, 0);
	msg.body.ban.value.since_ns = 1;
	msg.body.ban.value.trial_until_ns = 1;
	ask("a trial before its end", &msg, NULL, 0);
	msg.body.ban.value.until_ns = msg.body.ban.value.trial_until_ns = ~0ull;
	ask("for ever", &msg, NULL, 0);
	msg.body.ban.value.until_ns = msg.body.ban.value.trial_until_ns = ~0ull >> 20;
	msg.body.ban.value.limit = SEK_LIMITS_MAX;
	ask("of limit 16", &msg, NULL, 0);
	msg.body.count = 3;
	ask("one more than is there", &msg, &fd, 1);
	msg.body.count = ~0u;
	ask("four billion", &msg, &fd, 1);
	msg.body.count = 2;
	ask("two bad ones", &msg, &fd, 1);
	msg.type = ROLE_BAN_DEL;
	msg.body.ban = ban_of(33);
	ask("a /33 away", &msg, NULL, 0);
	msg.body.ban = ban_of(32);
	ask("what is not there away", &msg, NULL, 0);
	msg.type = ROLE_BAN_SET;
	msg.body.ban.key.addr_be[3]--;
	ask("a good one", &msg, NULL, 0);
}

/* CrowdSec is asked what the config says and nothing else; what is sent there is small and sealed. */
static void attack_crowdsec(uint32_t epoch)
{
	struct role_msg msg = {.type = ROLE_CROWDSEC, .body.crowdsec = {.config_epoch = epoch, .what = FETCH_FEED}};
	static const char body[FETCH_PUSH_BYTES];
	int fd = channel_memfd("x", body, sizeof(body)), open_fd = memfd_create("x", MFD_ALLOW_SEALING);

	ask("a feed", &msg, NULL, 0);
	msg.body.crowdsec.what = FETCH_WHAT_MAX;
	ask("what there is not", &msg, NULL, 0);
	msg.body.crowdsec.what = ~0u;
	ask("four billion", &msg, NULL, 0);
	msg.body.crowdsec.what = FETCH_PUSH;
	ask("nothing to send", &msg, NULL, 0);
	ask("too much to send", &msg, &fd, 1);
	ask("what can still change", &msg, &open_fd, 1);
	msg.body.crowdsec.what = FETCH_DECISIONS_ALL;
	msg.body.crowdsec.config_epoch++;
	ask("another config", &msg, NULL, 0);
	msg.body.crowdsec.config_epoch--;
	ask("a good one", &msg, NULL, 0);
}

/* Very many entries in one request. */
static void attack_many(void)
{
	struct role_msg msg = {.type = ROLE_ENTRIES, .body.entries.count = 300000};
	struct role_entry *all = calloc(300000, sizeof(*all));
	uint32_t i, addr_be;
	int fd;

	for (i = 0; all && i < 300000; i++) {
		all[i] = entry_of(32, 0);
		addr_be = htonl(0xc6120000 + i); /* 198.18.0.0 on: nobody's */
		memcpy(all[i].key.addr_be, &addr_be, 4);
	}
	fd = channel_memfd("x", all, 300000 * sizeof(*all));
	fprintf(stderr, "fake: sent\n");
	ask("many", &msg, &fd, 1);
}

/* Every type there is and is not, with random bodies; those that would be a person's wish are left
 * out. */
static void attack_types(void)
{
	struct role_msg *msg = random_bytes(sizeof(*msg));
	unsigned type;

	for (type = 0; msg && type < 200; type++) {
		unsigned real = type % 100 == 0 ? ROLE_HELLO : type % 100 < 7 ? type % 100 : 0;

		if ((type % 100 >= ROLE_SWAP && type % 100 <= ROLE_EXPLAIN) ||
		    (type % 100 >= ROLE_TRY && type % 100 <= ROLE_FEED_REMOVE))
			real = type % 100;
		if (!real || real == ROLE_DETACH || real == ROLE_MODE || real == ROLE_RELOAD ||
		    real == ROLE_CONFIRM)
			continue;
		msg->type = real;
		msg->text[ROLE_TEXT_BYTES - 1] = '\0';
		ask("type", msg, NULL, 0);
	}
}

static void feed_file(const char *what, enum role_type type, const char *name, const char *pairs)
{
	struct role_msg msg = {.type = type};
	int fd = channel_memfd("x", pairs, strlen(pairs));

	memcpy(msg.body.feed.name, name, strnlen(name, sizeof(msg.body.feed.name)));
	ask(what, &msg, &fd, type == ROLE_FEED_REMOVE ? 0 : 1);
	close(fd);
}

/* Lists to try with what is no list: descriptors that are missing, too many, open to change or no files. */
static void attack_tries(void)
{
	struct role_msg msg = {.type = ROLE_TRY};
	int url = channel_memfd("x", "url=http://127.0.0.1/\n", 22), path = channel_memfd("x", "path=/etc/shadow\n", 17);
	int open = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING), long_one = channel_memfd("x", random_bytes(8193), 8193);

	ask("try: nothing", &msg, NULL, 0);
	ask("try: open to change", &msg, &open, 1);
	ask("try: a socket", &msg, (int[]){ROLE_ENGINE_FD}, 1);
	ask("try: too long", &msg, &long_one, 1);
	ask("try: a path that the keeper should open", &msg, &path, 1);
	ask("try: content that is open to change", &msg, (int[]){path, open}, 2);
	ask("try: content that is a socket", &msg, (int[]){path, ROLE_ENGINE_FD}, 2);
	ask("try: a url with content", &msg, (int[]){url, path}, 2);
	ask("try: three", &msg, (int[]){url, path, path}, 3);
}

static void attack_feeds(void)
{
	static const char good[] = "url=http://127.0.0.1:9/\nformat=plain\n", long_name[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct role_msg msg = {.type = ROLE_FEED_ADD, .body.feed.name = "x"};
	static const char *const names[] = {"../evil", "a/b", "", ".hidden", "..", "a\nb", "a.yaml", "main", long_name};
	static const char *const pairs[] = {"name=y\n", "key-file=/etc/shadow\nurl=http://127.0.0.1/\n", "url=http://127.0.0.1/\nurl=http://127.0.0.1/\n",
					    "url=http://127.0.0.1/\n'\ninterfaces: [lo]\n", "limits=[]\n", "\n", ""};
	int open = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t i;

	ask("add: nothing", &msg, NULL, 0);
	ask("add: open to change", &msg, &open, 1);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		feed_file("add: a bad name", ROLE_FEED_ADD, names[i], good);
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		feed_file("add: bad lines", ROLE_FEED_ADD, "x", pairs[i]);
	feed_file("remove: of the config", ROLE_FEED_REMOVE, "main", "");
	feed_file("remove: none", ROLE_FEED_REMOVE, "../../etc/passwd", "");
	attack_tries();
	feed_file("a good one", ROLE_FEED_ADD, "good", good);
	feed_file("a good one again", ROLE_FEED_ADD, "good", good);
	feed_file("away", ROLE_FEED_REMOVE, "good", "");
}

static void attack_flood(void)
{
	struct role_msg msg = {.magic = ROLE_MAGIC, .type = ROLE_EXPLAIN};

	for (;;) {
		msg.seq = ++seq;
		if (channel_send(ROLE_ENGINE_FD, &msg, sizeof(msg), NULL, 0))
			exit(0);
	}
}

static void attack_descriptors(void)
{
	struct role_msg msg = {.magic = ROLE_MAGIC, .type = ROLE_EXPLAIN, .n_fds = 8};
	int fds[8] = {0, 1, 2, ROLE_ENGINE_FD, 0, 1, 2, ROLE_ENGINE_FD}, i;
	struct role_msg answer;

	for (i = 0; i < 2000; i++) {
		msg.seq = ++seq;
		if (channel_send(ROLE_ENGINE_FD, &msg, sizeof(msg), fds, 8))
			exit(0);
		while (receive(&answer) != ROLE_REPLY)
			;
	}
	fprintf(stderr, "fake: descriptors: done\n");
}

/* What a person may wish, over and over: each wish is granted, and is worth a line. */
static void attack_wishes(void)
{
	struct role_msg msg;
	unsigned i;

	for (i = 0; i < 3000; i++) {
		memset(&msg, 0, sizeof(msg));
		msg.type = i % 100 ? ROLE_MODE : ROLE_RELOAD;
		msg.body.mode.mode = i & 1;
		ask("wish", &msg, NULL, 0);
	}
	memset(&msg, 0, sizeof(msg));
	msg.type = ROLE_MODE;
	ask("wish", &msg, NULL, 0);
}

static void attack_raw(size_t len, uint32_t magic, unsigned n_fds)
{
	static char bytes[8192];
	struct role_msg *msg = (void *)bytes;
	int fd = 0;

	msg->magic = magic;
	msg->type = ROLE_EXPLAIN;
	msg->n_fds = n_fds;
	(void)channel_send(ROLE_ENGINE_FD, bytes, len, &fd,
			   n_fds ? 0 : 1); /* the answer is our end */
	pause();
}

/* Says that all is well, and dies. */
static int attack_ready(void)
{
	struct role_msg msg = {.type = ROLE_READY};

	ask("ready", &msg, NULL, 0);
	return 1;
}

static void read_attack(const char *dir)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/attack", dir);
	file = fopen(path, "re");
	if (!file || !fgets(attack, sizeof(attack), file))
		exit(1);
	fclose(file);
}

int main(int argc, char **argv)
{
	struct role_msg hello;

	if (argc != 3)
		return 2;
	read_attack(argv[2]);
	if (!strcmp(attack, "die"))
		return 1;
	if (receive(&hello) != ROLE_HELLO)
		return 3;
	if (!strcmp(attack, "ready"))
		return attack_ready();
	if (!strcmp(attack, "short"))
		attack_raw(5, ROLE_MAGIC, 0);
	if (!strcmp(attack, "long"))
		attack_raw(4000, ROLE_MAGIC, 0);
	if (!strcmp(attack, "magic"))
		attack_raw(sizeof(hello), 1, 0);
	if (!strcmp(attack, "wrong count"))
		attack_raw(sizeof(hello), ROLE_MAGIC, 3);
	if (!strcmp(attack, "swap"))
		attack_swap();
	if (!strcmp(attack, "bans"))
		attack_bans();
	if (!strcmp(attack, "crowdsec"))
		attack_crowdsec(hello.body.hello.config_epoch);
	if (!strcmp(attack, "entries"))
		attack_entries();
	if (!strcmp(attack, "feeds"))
		attack_feeds();
	if (!strcmp(attack, "many"))
		attack_many();
	if (!strcmp(attack, "types"))
		attack_types();
	if (!strcmp(attack, "flood"))
		attack_flood();
	if (!strcmp(attack, "wishes"))
		attack_wishes();
	if (!strcmp(attack, "descriptors"))
		attack_descriptors();
	fprintf(stderr, "fake: over\n");
	for (;;)
		pause(); /* "deaf" does nothing else: it never reads */
}
