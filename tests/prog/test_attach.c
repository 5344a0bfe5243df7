// SPDX-License-Identifier: GPL-2.0
/*
 * Attach, replace, adopt and remove on a real interface: alone, and in the dispatcher where this
 * kernel has one (the guests of `make vmtest`). The interface is never without a program while one
 * is replaced by another.
 */
/* link: sys/bpf_attach.c sys/bpf_attach_alone.c sys/bpf_attach_shared.c sys/bpf_attach_probe.c sys/bpf_attach_former.c sys/bpf_load.c sys/log.c -lxdp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "sys/bpf_attach.h"

static struct bpf_side side;
static char why[300];

static int make_link(void **state)
{
	const char *open_why = "";
	char reason[160];

	if (system(
		"ip link add sek0 type veth peer name sek1 && ip link set sek0 up && ip link set sek1 up"))
		return -1;
	if (bpf_side_open(&side, "/sys/fs/bpf/sekisho-test", SEK_LIMIT_LINES_MIN_BITS, &open_why))
		return -1;
	if (bpf_attach_probe(reason, sizeof(reason)))
		printf("no dispatcher here: %s\n", reason);
	return 0;
}

static int drop_link(void **state)
{
	(void)bpf_attach_remove_all(&side); /* a failed row may have left some */
	bpf_side_unpin(&side);
	bpf_side_close(&side);
	return system("ip link del sek0");
}

/* The program that the interface itself runs; 0: none. */
static unsigned on_interface(void)
{
	__u32 id = 0;

	assert_int_equal(bpf_xdp_query_id(if_nametoindex("sek0"), 0, &id), 0);
	return id;
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned n = 0;

	while (dir && (entry = readdir(dir)))
		n++;
	closedir(dir);
	return n;
}

static bool has_dispatcher(void)
{
	char reason[160];

	return !bpf_attach_probe(reason, sizeof(reason));
}

/* The kernel frees a program some moments after its last user. */
static bool is_freed(unsigned id)
{
	int i, fd = 0;

	for (i = 0; i < 1000 && fd >= 0; i++) {
		usleep(10000);
		fd = bpf_prog_get_fd_by_id(id);
		if (fd >= 0)
			close(fd);
	}
	return fd < 0;
}

static void attach(enum bpf_attach_want want, struct bpf_attachment *attachment)
{
	if (bpf_attach(&side, "sek0", 3, want, attachment, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(attachment->is_shared, has_dispatcher());
	assert_int_equal(attachment->program_id == on_interface(), !has_dispatcher());
	assert_true(bpf_attach_is_alive(&side, attachment));
}

static void test_attach_and_remove(void **state)
{
	static const enum bpf_attach_want want[] = { BPF_ATTACH_AUTO, BPF_ATTACH_NATIVE,
						     BPF_ATTACH_GENERIC };
	struct bpf_attachment attachment;
	unsigned i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(on_interface(), 0);
		attach(want[i], &attachment);
		assert_false(attachment.was_adopted);
		assert_int_equal(attachment.is_native, want[i] != BPF_ATTACH_GENERIC);
		bpf_attach_remove(&side, &attachment);
		assert_int_equal(on_interface(), 0);
	}
}

static void test_replace(void **state)
{
	struct bpf_attachment first, next;
	unsigned n_fds;

	attach(BPF_ATTACH_AUTO, &first);
	n_fds = count_fds();
	attach(BPF_ATTACH_AUTO, &next);
	assert_true(next.was_adopted);
	assert_int_not_equal(next.program_id, first.program_id);
	assert_int_not_equal(on_interface(), 0);
	bpf_attach_release(&first);
	assert_int_equal(count_fds(), n_fds); /* libxdp 1.3.1 leaves some open where it is called */
	assert_true(is_freed(first.program_id));
	bpf_attach_remove(&side, &next);
	assert_int_equal(on_interface(), 0);
}

static void test_failed_replace_changes_nothing(void **state)
{
	struct bpf_attachment first, next = { .link_fd = -7 };
	struct bpf_side broken = side;

	attach(BPF_ATTACH_AUTO, &first);
	broken.map_fd[BPF_MAP_ENTRIES] =
	    side.map_fd[BPF_MAP_CONTROL]; /* the verifier refuses this one */
	why[0] = '\0';
	assert_true(bpf_attach(&broken, "sek0", 3, BPF_ATTACH_AUTO, &next, why, sizeof(why)) < 0);
	assert_string_not_equal(why, "");
	assert_int_equal(next.link_fd, -7);
	assert_true(bpf_attach_is_alive(&side, &first));
	bpf_attach_remove(&side, &first);
	assert_int_equal(on_interface(), 0);
}

static void test_adopt_after_release(void **state)
{
	struct bpf_attachment first, next;

	attach(BPF_ATTACH_GENERIC, &first);
	bpf_attach_release(&first); /* as the end of a process does */
	assert_int_not_equal(on_interface(), 0);
	attach(BPF_ATTACH_NATIVE, &next);
	assert_true(next.was_adopted);
	assert_false(next.is_native); /* its mode stays, and is said */
	assert_string_not_equal(next.note, "");
	assert_int_not_equal(next.program_id, first.program_id);
	assert_int_equal(bpf_attach_remove_all(&side), 1);
	bpf_attach_release(&next);
	assert_int_equal(on_interface(), 0);
}

static void test_other_program_is_left(void **state)
{
	struct bpf_attachment attachment;
	unsigned other, n_fds;

	if (system("LIBXDP_SKIP_DISPATCHER=1 xdp-filter load -m skb sek0"))
		fail_msg("xdp-filter cannot be loaded");
	other = on_interface();
	n_fds = count_fds();
	assert_int_equal(
	    bpf_attach(&side, "sek0", 3, BPF_ATTACH_AUTO, &attachment, why, sizeof(why)), -EBUSY);
	assert_int_equal(count_fds(), n_fds); /* the keeper asks again every second */
	assert_non_null(strstr(why, "xdpfilt_alw_all"));
	assert_int_equal(bpf_attach_remove_all(&side), 0);
	assert_int_equal(on_interface(), other);
	assert_int_equal(system("xdp-filter unload sek0"), 0);
}

/* A folder of pins as libxdp makes one, with a program of ours, for the dispatcher @id on sek0. */
static void make_pins(unsigned id, int program_fd, char *path, size_t size)
{
	char pin[200];

	if (mkdir("/sys/fs/bpf/xdp", 0700))
		assert_int_equal(errno, EEXIST);
	snprintf(path, size, "/sys/fs/bpf/xdp/dispatch-%u-%u", if_nametoindex("sek0"), id);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(pin, sizeof(pin), "%s/prog0-prog", path);
	assert_int_equal(bpf_obj_pin(program_fd, pin), 0);
	snprintf(pin, sizeof(pin), "%s/prog0-link", path);
	assert_int_equal(bpf_obj_pin(side.map_fd[BPF_MAP_RAILS], pin),
			 0); /* any object: it is only unlinked */
}

/*
 * An agent killed between libxdp's pins and its attach: the next one removes the pins, and no
 * others.
 */
static void test_pins_of_no_dispatcher_are_removed(void **state)
{
	struct bpf_attachment attachment, next;
	struct sekisho_bpf *object;
	char used[120], unused[120];
	int program_fd;

	attach(BPF_ATTACH_AUTO, &attachment);
	assert_int_equal(bpf_program_load(&side, 3, &object, &program_fd), 0);
	make_pins(4000000000u, program_fd, unused, sizeof(unused));
	if (!has_dispatcher())
		make_pins(on_interface(), program_fd, used, sizeof(used));
	bpf_attach_release(&attachment);
	if (bpf_attach(&side, "sek0", 3, BPF_ATTACH_AUTO, &next, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(access(unused, F_OK), -1);
	if (!has_dispatcher())
		assert_int_equal(access(used, F_OK), 0);
	bpf_program_free(object);
	bpf_attach_remove(&side, &next);
	assert_int_equal(on_interface(), 0);
}

/* Bytes of sek_xdp as the kernel runs it: what the knobs leave out is not in it. */
static unsigned loaded_bytes(void)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	struct sekisho_bpf *object;
	int program_fd;

	assert_int_equal(bpf_program_load(&side, 3, &object, &program_fd), 0);
	assert_int_equal(bpf_obj_get_info_by_fd(program_fd, &info, &len), 0);
	bpf_program_free(object);
	return info.xlated_prog_len;
}

/* Every kernel that is tested has the helper; one that has not gets a program that never calls it. */
static void test_no_connection_lookup(void **state)
{
	unsigned with, without;

	assert_true(side.has_skc_lookup);
	with = loaded_bytes();
	side.has_skc_lookup = false;
	without = loaded_bytes();
	side.has_skc_lookup = true;
	assert_in_range(without, 1, with - 1);
}

static void test_no_such_interface(void **state)
{
	struct bpf_attachment attachment;

	assert_int_equal(
	    bpf_attach(&side, "nowhere0", 3, BPF_ATTACH_AUTO, &attachment, why, sizeof(why)),
	    -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attach_and_remove),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_failed_replace_changes_nothing),
		cmocka_unit_test(test_adopt_after_release),
		cmocka_unit_test(test_other_program_is_left),
		cmocka_unit_test(test_pins_of_no_dispatcher_are_removed),
		cmocka_unit_test(test_no_connection_lookup),
		cmocka_unit_test(test_no_such_interface),
	};

	return cmocka_run_group_tests(tests, make_link, drop_link);
}
