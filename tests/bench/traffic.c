// SPDX-License-Identifier: GPL-2.0
/*
 * Lists and packets for what judges in the kernel's stack, nftables and ipset: the same entries as
 * in lookup, as text; the same kind of sources, sent as live frames into lo of the caller's network
 * namespace. usage: traffic list BITS SIZE FOLDER PACKETS | traffic drive BITS SOURCES-FILE PACKETS
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lookup.h"
#include "lookup.skel.h"
#include "lookup_frame.h"
#include "lookup_list.h"

static unsigned packets; /* of a run, each from a source of its own */

static int fail(const char *what, int err)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(err < 0 ? -err : err));
	return 1;
}

static FILE *create(const char *folder, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return fopen(path, "w");
}

static int write_list(const struct bench_list *list, const char *folder)
{
	FILE *file = create(folder, "list.txt");
	char text[INET6_ADDRSTRLEN];
	uint8_t addr_be[16];
	size_t i;

	if (!file)
		return -errno;
	for (i = 0; i < list->n; i++) {
		put_be(list->entries[i].first, list->bits, addr_be);
		inet_ntop(list->bits == 32 ? AF_INET : AF_INET6, addr_be, text, sizeof(text));
		fprintf(file, "%s/%d\n", text, list->entries[i].len);
	}
	return fclose(file) ? -errno : 0;
}

static int write_sources(struct bench_list *list, const char *folder, const char *name,
			 addr_t (*draw)(struct bench_list *list))
{
	FILE *file = create(folder, name);
	uint8_t addr_be[16];
	size_t i;

	if (!file)
		return -errno;
	for (i = 0; i < packets; i++) {
		put_be(draw(list), list->bits, addr_be);
		fwrite(addr_be, list->bits / 8, 1, file);
	}
	return fclose(file) ? -errno : 0;
}

static int make_list(int bits, size_t n, const char *folder)
{
	struct bench_list list = { 0 };
	int err = list_make(&list, bits, n, false);

	if (!err)
		err = write_list(&list, folder);
	if (!err)
		err = write_sources(&list, folder, "listed", list_hit);
	if (!err)
		err = write_sources(&list, folder, "random", list_miss);
	list_free(&list);
	return err ? fail(folder, err) : 0;
}

static int read_sources(const char *path, void *sources, size_t bytes)
{
	FILE *file = fopen(path, "r");
	size_t n;

	if (!file)
		return -errno;
	n = fread(sources, 1, bytes, file);
	fclose(file);
	return n == bytes ? 0 : -EIO;
}

/* One frame more than there are sources goes out: the last one reads the clock. */
static int drive(int bits, const char *path)
{
	struct lookup_bpf *lookup = lookup_bpf__open();
	uint8_t frame[FRAME_BYTES];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = packets + 1, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int err;

	if (!lookup)
		return fail("open", errno);
	lookup->rodata->n_sources = packets;
	err = lookup_bpf__load(lookup);
	if (!err && bits == 32)
		err = read_sources(path, lookup->bss->sources4, packets * 4);
	else if (!err)
		err = read_sources(path, lookup->bss->sources6, packets * 16);
	frame_make(bits, frame);
	if (!err &&
	    bpf_prog_test_run_opts(
		bpf_program__fd(bits == 32 ? lookup->progs.stack4 : lookup->progs.stack6), &opts))
		err = -errno;
	if (!err && lookup->bss->next_packet != packets + 1)
		err = -EIO;
	if (!err)
		printf("%u %.1f\n", packets + 1,
		       (double)(lookup->bss->end_ns - lookup->bss->start_ns) / packets);
	lookup_bpf__destroy(lookup);
	return err ? fail("drive", err) : 0;
}

int main(int argc, char **argv)
{
	packets = argc > 4 ? strtoul(argv[argc - 1], NULL, 10) : 0;
	if (argc == 6 && !strcmp(argv[1], "list") && packets)
		return make_list(atoi(argv[2]), strtoul(argv[3], NULL, 10), argv[4]);
	if (argc == 5 && !strcmp(argv[1], "drive") && packets && packets <= BENCH_SOURCES)
		return drive(atoi(argv[2]), argv[3]);
	fprintf(
	    stderr,
	    "usage: traffic list BITS SIZE FOLDER PACKETS | traffic drive BITS SOURCES-FILE PACKETS\n");
	return 2;
}
