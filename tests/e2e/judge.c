// SPDX-License-Identifier: GPL-2.0
/*
 * Asks the kernel about many addresses. In: the id of an attached program, the agent's pin folder,
 * addresses on stdin, one a line. Out: for each a line of what that program did with a packet from
 * it and what sek_explain, run on the same maps, says: ADDRESS ACTION VERDICT REASON RAIL BLOCK_LEN
 * ALLOW_LEN CLASS_ACTION WINNER LISTS.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <sekisho/maps.h>
#include <sekisho/table.h>

#define MAPS_MAX 64 /* maps of one program: ours has a handful */

static const char *const verdicts[SEK_V_MAX] = { "pass", "drop", "monitor" };
static const char *const reasons[SEK_R_MAX] = {
	"none",  "allow",     "block", "ban",       "feed",
	"limit", "malformed", "link",  "protected", "internal",
};

static void die(const char *what)
{
	fprintf(stderr, "judge: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		die("map info");
	return info.id;
}

static bool is_explain_on(int prog_fd, uint32_t table_id)
{
	__u32 ids[MAPS_MAX], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .map_ids = (uintptr_t)ids, .nr_map_ids = MAPS_MAX };

	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len) || strcmp(info.name, "sek_explain"))
		return false;
	for (unsigned i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++) {
		if (ids[i] == table_id)
			return true;
	}
	return false;
}

/* The one sek_explain that reads the table @table_id: other agents on this machine have theirs. */
static int find_explain(uint32_t table_id)
{
	__u32 id = 0;
	int fd;

	while (!bpf_prog_get_next_id(id, &id)) {
		fd = bpf_prog_get_fd_by_id(id);
		if (fd >= 0 && is_explain_on(fd, table_id))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	die("no sek_explain reads this table");
	return -1;
}

/*
 * The first segment of the image in force, where head and classes are; NULL where there is no image
 * yet.
 */
static const char *read_image(int table_fd, const char *pins)
{
	struct sek_control control;
	__u32 key = 0, id = 0;
	char path[4096], *segment;
	int fd;

	snprintf(path, sizeof(path), "%s/control", pins);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_map_lookup_elem(fd, &key, &control))
		die("the control record");
	if (bpf_map_lookup_elem(table_fd, &control.table_slot, &id))
		return NULL;
	fd = bpf_map_get_fd_by_id(id);
	segment = malloc(SEK_SEGMENT_BYTES);
	if (fd < 0 || !segment || bpf_map_lookup_elem(fd, &key, segment))
		die("the table in force");
	return segment;
}

static void read_class(const char *image, uint32_t id, struct sek_class *ret_class)
{
	const struct sek_table_head *head = (const void *)image;

	memcpy(ret_class, image + (size_t)(head->class_base + id) * SEK_LINE_BYTES,
	       sizeof(*ret_class));
}

/* A UDP packet without content from @q's address. */
static size_t make_frame(const struct sek_explain *q, uint8_t *frame)
{
	static const uint8_t v4[] = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17 },
			     v6[] = { 0x60, 0, 0, 0, 0, 8, 17, 64 };

	memset(frame, 0, 64);
	frame[12] = q->family == 4 ? 0x08 : 0x86;
	frame[13] = q->family == 4 ? 0x00 : 0xdd;
	if (q->family == 4) {
		memcpy(frame + 14, v4, sizeof(v4));
		memcpy(frame + 26, q->addr_be, 4);
		return 14 + 20 + 8;
	}
	memcpy(frame + 14, v6, sizeof(v6));
	memcpy(frame + 22, q->addr_be, 16);
	return 14 + 40 + 8;
}

static const char *packet_action(int prog_fd, const struct sek_explain *q)
{
	uint8_t frame[64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = make_frame(q, frame),
		    .repeat = 1);

	if (bpf_prog_test_run_opts(prog_fd, &opts))
		die("running the attached program");
	return opts.retval == XDP_DROP ? "drop" : opts.retval == XDP_PASS ? "pass" : "neither";
}

static void explain(int prog_fd, struct sek_explain *q)
{
	struct sek_explain answer = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = q, .data_size_in = sizeof(*q),
		    .data_out = &answer, .data_size_out = sizeof(answer), .repeat = 1);

	if (bpf_prog_test_run_opts(prog_fd, &opts) || !answer.answered)
		die("running sek_explain");
	*q = answer;
}

static void judge(int prog_fd, int explain_fd, const char *image, char *text)
{
	struct sek_explain q = { .family = strchr(text, ':') ? 6 : 4 };
	struct sek_class class = { 0 };
	const char *action;

	text[strcspn(text, "\r\n")] = '\0';
	errno = EINVAL;
	if (inet_pton(q.family == 4 ? AF_INET : AF_INET6, text, q.addr_be) != 1)
		die(text);
	action = packet_action(prog_fd, &q);
	explain(explain_fd, &q);
	if (q.class_id)
		read_class(image, q.class_id, &class);
	printf("%s %s %s %s %u %u %u %u %u %llx%016llx%016llx%016llx\n", text, action,
	       q.verdict < SEK_V_MAX ? verdicts[q.verdict] : "?",
	       q.reason < SEK_R_MAX ? reasons[q.reason] : "?", q.rail, q.block_len, q.allow_len,
	       class.action, class.winner, class.lists[3], class.lists[2], class.lists[1],
	       class.lists[0]);
}

int main(int argc, char **argv)
{
	int prog_fd, table_fd, explain_fd;
	char line[128], path[4096];
	const char *image;

	if (argc != 3) {
		fputs("usage: judge PROGRAM_ID PIN_FOLDER <ADDRESSES\n", stderr);
		return 2;
	}
	prog_fd = bpf_prog_get_fd_by_id(strtoul(argv[1], NULL, 10));
	snprintf(path, sizeof(path), "%s/table", argv[2]);
	table_fd = bpf_obj_get(path);
	if (prog_fd < 0 || table_fd < 0)
		die("the program or the table");
	explain_fd = find_explain(map_id(table_fd));
	image = read_image(table_fd, argv[2]);
	while (fgets(line, sizeof(line), stdin))
		judge(prog_fd, explain_fd, image, line);
	return 0;
}
