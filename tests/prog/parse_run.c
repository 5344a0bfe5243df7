// SPDX-License-Identifier: GPL-2.0
/* Runs the parser's probe program; see parse_run.h. */
#include "parse_run.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include "parse_probe.skel.h"

#define BYTES_SHOWN 160

static struct parse_probe_bpf *probe;
static const struct parse_answer *answer_map;

int parse_run_setup(void **state)
{
	void *map;

	probe = parse_probe_bpf__open_and_load();
	if (!probe)
		return -1;
	map = mmap(NULL, sizeof(*answer_map), PROT_READ, MAP_SHARED,
		   bpf_map__fd(probe->maps.probe_answer), 0);
	if (map == MAP_FAILED)
		return -1;
	answer_map = map;
	return 0;
}

int parse_run_teardown(void **state)
{
	munmap((void *)answer_map, sizeof(*answer_map));
	parse_probe_bpf__destroy(probe);
	return 0;
}

int parse_run(const struct frame *f, struct parse_answer *ret_answer)
{
	struct xdp_md ctx = { .data_end = f->linear };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = f->len,
		    .ctx_in = f->linear ? &ctx : NULL, .ctx_size_in = f->linear ? sizeof(ctx) : 0,
		    .repeat = 1);
	int err = bpf_prog_test_run_opts(bpf_program__fd(probe->progs.parse_probe), &opts);

	if (f->linear && err == -EINVAL)
		return err;
	assert_int_equal(err, 0);
	*ret_answer = *answer_map;
	return opts.retval;
}

static void show(const char *who, int action, const struct parse_answer *a)
{
	print_message(
	    "%s: action %d family %u ip %u+%u of %u, state %u proto %u at %u, ports %u %u, flags %x, fragment %u\n",
	    who, action, a->family, a->ip_offset, a->ip_bytes, a->frame_bytes, a->state, a->proto,
	    a->l4_offset, a->sport, a->dport, a->tcp_flags, a->is_fragment);
}

void parse_run_differ(const char *row, const struct frame *f, int got,
		      const struct parse_answer *answer, int want,
		      const struct parse_answer *reference)
{
	show("program", got, answer);
	show("reference", want, reference);
	for (size_t i = 0; i < f->len && i < BYTES_SHOWN; i++)
		print_message("%02x%s", f->bytes[i], i % 4 == 1 ? " " : "");
	print_message("\n");
	fail_msg("%s: %zu bytes, the program and the reference differ", row, f->len);
}
