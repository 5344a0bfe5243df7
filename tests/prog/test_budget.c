// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel programs cost the verifier, and their stack, against tests/perf/bpf-budget.txt.
 * Growth beyond a twentieth, and any of the stack, is a reviewed diff of that file:
 * `build/prog/test_budget --record` prints the rows of the kernel it runs on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "sekisho.skel.h"

#define BUDGET_FILE "tests/perf/bpf-budget.txt"
#define LOG_BYTES 65536
#define LOG_STATS 4 /* BPF_LOG_STATS of linux/bpf_verifier.h: the counts without the walk */

struct cost {
	unsigned insns; /* processed by the verifier */
	unsigned stack_bytes;
};

/* Of one program, loaded without the other. */
static struct cost cost_of(const char *name)
{
	static char log[LOG_BYTES];
	struct sekisho_bpf *skel = sekisho_bpf__open();
	struct bpf_program *program, *other;
	struct cost cost = { 0 };
	const char *at;

	assert_non_null(skel);
	program = bpf_object__find_program_by_name(skel->obj, name);
	assert_non_null(program);
	bpf_object__for_each_program(other, skel->obj)
		bpf_program__set_autoload(other, other == program);
	bpf_program__set_log_level(program, LOG_STATS);
	assert_int_equal(bpf_program__set_log_buf(program, log, sizeof(log)), 0);
	assert_int_equal(sekisho_bpf__load(skel), 0);
	at = strstr(log, "processed ");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "processed %u insns", &cost.insns), 1);
	at = strstr(log, "stack depth ");
	assert_non_null(at);
	/* One number a function, joined by +. */
	for (at += strlen("stack depth "); *at >= '0' && *at <= '9'; at += *at == '+')
		cost.stack_bytes += strtoul(at, (char **)&at, 10);
	sekisho_bpf__destroy(skel);
	return cost;
}

/* The row of this kernel and @name, else that of kernel "any". */
static struct cost recorded(const char *kernel, const char *name, char *ret_row)
{
	FILE *file = fopen(BUDGET_FILE, "r");
	char line[200], row_kernel[32], row_name[32];
	struct cost cost, found = { 0 };

	if (!file)
		fail_msg("%s is not there: run from the top of the tree", BUDGET_FILE);
	*ret_row = '\0';
	while (fgets(line, sizeof(line), file)) {
		if (*line == '#' || sscanf(line, "%31s %31s %u %u", row_kernel, row_name,
					   &cost.insns, &cost.stack_bytes) != 4)
			continue;
		if (strcmp(row_name, name) ||
		    (strcmp(row_kernel, kernel) && (*ret_row || strcmp(row_kernel, "any"))))
			continue;
		found = cost;
		strcpy(ret_row, row_kernel);
		if (!strcmp(row_kernel, kernel))
			break;
	}
	fclose(file);
	return found;
}

static void this_kernel(char *ret_kernel, size_t size)
{
	struct utsname uts;
	unsigned major, minor;

	assert_int_equal(uname(&uts), 0);
	assert_int_equal(sscanf(uts.release, "%u.%u", &major, &minor), 2);
	snprintf(ret_kernel, size, "%u.%u", major, minor);
}

static void within(const char *name)
{
	char kernel[16], row[32];
	struct cost now = cost_of(name), budget;

	this_kernel(kernel, sizeof(kernel));
	budget = recorded(kernel, name, row);
	if (!*row)
		fail_msg("%s has no row for %s, nor for any kernel", BUDGET_FILE, name);
	print_message("%s on %s: %u instructions of %u, stack %u of %u bytes (row %s)\n", name,
		      kernel, now.insns, budget.insns, now.stack_bytes, budget.stack_bytes, row);
	if (now.insns > budget.insns + budget.insns / 20 || now.stack_bytes > budget.stack_bytes)
		fail_msg(
		    "%s needs %s than its row: make it smaller, or raise its row in %s and say why in the commit",
		    name, now.stack_bytes > budget.stack_bytes ? "more stack" : "over a twentieth more instructions", BUDGET_FILE);
	if (!strcmp(row, kernel) && now.insns < budget.insns - budget.insns / 10)
		fail_msg(
		    "%s shrank by more than a tenth: lower its row in %s, so that the gain is kept",
		    name, BUDGET_FILE);
}

static void packet_program(void **state)
{
	within("sek_xdp");
}

static void explain_program(void **state)
{
	within("sek_explain");
}

static int record(void)
{
	static const char *const names[] = { "sek_xdp", "sek_explain" };
	char kernel[16];

	this_kernel(kernel, sizeof(kernel));
	for (size_t i = 0; i < 2; i++) {
		struct cost cost = cost_of(names[i]);

		printf("%s\t%s\t%u\t%u\n", kernel, names[i], cost.insns, cost.stack_bytes);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(packet_program),
		cmocka_unit_test(explain_program),
	};

	if (argc > 1 && !strcmp(argv[1], "--record"))
		return record();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
