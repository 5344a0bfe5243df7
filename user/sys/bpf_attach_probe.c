// SPDX-License-Identifier: GPL-2.0
/*
 * Can this kernel put one XDP program into another? Tried with libxdp's own object; nothing stays
 * of the try.
 */
#include "bpf_attach_private.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

static int hush(enum libxdp_print_level level, const char *format, va_list args)
{
	return 0;
}

/* The probe's program: libxdp's own xdp_pass, from the object the dispatcher comes from. */
static struct xdp_program *open_probe(struct bpf_program **ret_program)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .find_filename = "xdp-dispatcher.o",
			    .prog_name = "xdp_pass");
	struct xdp_program *xdp = xdp_program__create(&opts);
	struct bpf_program *program;

	if (libxdp_get_error(xdp))
		return NULL;
	bpf_object__for_each_program(program, xdp_program__bpf_obj(xdp)) {
		bool is_pass = !strcmp(bpf_program__name(program), "xdp_pass");

		bpf_program__set_autoload(program, is_pass);
		if (is_pass)
			*ret_program = program;
	}
	return xdp;
}

/*
 * Puts one program in the place of another, which is all that the dispatcher needs, and takes it
 * out again.
 */
static int try_freplace(struct xdp_program *target, struct bpf_program *target_program,
			struct xdp_program *with, struct bpf_program *with_program)
{
	int link_fd, err = bpf_object__load(xdp_program__bpf_obj(target));

	if (err)
		return err;
	err = bpf_program__set_attach_target(with_program, bpf_program__fd(target_program),
					     "xdp_pass");
	if (err)
		return err;
	bpf_program__set_type(with_program, BPF_PROG_TYPE_EXT);
	bpf_program__set_expected_attach_type(with_program, 0);
	err = bpf_object__load(xdp_program__bpf_obj(with));
	if (err)
		return err;
	link_fd = bpf_raw_tracepoint_open(NULL, bpf_program__fd(with_program));
	if (link_fd < 0)
		return -errno;
	close(link_fd);
	return 0;
}

static int probe(char *why, size_t why_bytes)
{
	struct bpf_program *target_program = NULL, *with_program = NULL;
	const char *skip = secure_getenv("LIBXDP_SKIP_DISPATCHER");
	struct xdp_program *target, *with = NULL;
	libbpf_print_fn_t print_before;
	char text[100] = "";
	int err = -ENOENT;

	libxdp_set_print(hush);
	if (skip && !strcmp(skip, "1")) {
		snprintf(why, why_bytes, "LIBXDP_SKIP_DISPATCHER is set");
		return -EOPNOTSUPP;
	}
	print_before = libbpf_set_print(NULL); /* a refusal is an answer here, not a failure */
	target = open_probe(&target_program);
	if (target)
		with = open_probe(&with_program);
	if (with)
		err = try_freplace(target, target_program, with, with_program);
	xdp_program__close(with);
	xdp_program__close(target);
	libbpf_set_print(print_before);
	if (!err)
		return 0;
	(void)libxdp_strerror(err, text, sizeof(text)); /* text is filled in any case */
	snprintf(why, why_bytes, "%s%s",
		 with ? "the kernel refuses freplace: " : "xdp-dispatcher.o of libxdp: ", text);
	return -EOPNOTSUPP;
}

int bpf_attach_probe(char *why, size_t why_bytes)
{
	static char why_not[160];
	static int answer = 1; /* not asked yet */

	if (answer > 0)
		answer = probe(why_not, sizeof(why_not));
	if (answer)
		snprintf(why, why_bytes, "%s", why_not);
	return answer;
}
