// SPDX-License-Identifier: GPL-2.0
/*
 * libbpf: maps made or adopted, programs loaded, tables swapped. In: the embedded object and a pin folder.
 * Out: descriptors. Never attaches anything (bpf_attach.c).
 */
#include "bpf_load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sekisho/table.h>
#include <sekisho/top.h>
#include "sekisho.skel.h"
#include "sys/bpf_limiter.h"
#include "sys/bpf_table.h"
#include "sys/log.h"

static int say(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[512];

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	log_line(LOG_DEBUG, "%s", text);
	return 0;
}

static struct bpf_map *map_of(struct sekisho_bpf *object, enum bpf_map_name name)
{
	struct bpf_map *const maps[BPF_MAP_N] = {
		object->maps.sek_table, object->maps.sek_entries, object->maps.sek_control,
		object->maps.sek_rails, object->maps.sek_counters, object->maps.sek_limiter_lines, object->maps.sek_limiter_bans,
		object->maps.sek_limiter_evidence, object->maps.sek_events, object->maps.sek_top, object->maps.sek_rates,
	};

	return maps[name];
}

/* Takes over the pinned maps where all are there. */
static int adopt(struct bpf_side *side)
{
	char path[300];
	int i;

	for (i = 0; i < BPF_MAP_N; i++) {
		bpf_pin_path(side, i, path, sizeof(path));
		side->map_fd[i] = bpf_obj_get(path);
		if (side->map_fd[i] < 0)
			return -errno;
	}
	return 0;
}

static struct sekisho_bpf *open_object(const struct bpf_side *side, unsigned slot, bool is_first)
{
	struct sekisho_bpf *object = sekisho_bpf__open();
	int i;

	if (!object)
		return NULL;
	object->rodata->sek_iface_slot = slot;
	object->rodata->sek_has_skc_lookup = side->has_skc_lookup;
	bpf_program__set_autoload(object->progs.sek_explain, is_first);
	bpf_program__set_autoload(object->progs.sek_xdp, !is_first);
	bpf_map__set_max_entries(object->maps.sek_counters, side->n_cpus);
	bpf_map__set_max_entries(object->maps.sek_top, side->n_cpus * SEK_TOP_SETS);
	for (i = 0; i < BPF_MAP_N; i++) {
		if (side->map_fd[i] >= 0 && bpf_map__reuse_fd(map_of(object, i), side->map_fd[i])) {
			sekisho_bpf__destroy(object);
			return NULL;
		}
	}
	return object;
}

/* Pins the maps that were made, not adopted. */
static int pin_new(struct bpf_side *side)
{
	char path[300];
	int i;

	for (i = 0; i < BPF_MAP_N; i++) {
		if (side->map_fd[i] >= 0)
			continue;
		bpf_pin_path(side, i, path, sizeof(path));
		(void)unlink(path); /* there is one only where it has another size */
		if (bpf_obj_pin(bpf_map__fd(map_of(side->first, i)), path))
			return -errno;
		side->map_fd[i] = dup(bpf_map__fd(map_of(side->first, i)));
		if (side->map_fd[i] < 0)
			return -errno;
	}
	return 0;
}

/* For the limiter's hashes: no stranger may know which sources share a line. */
static int make_keys(struct bpf_side *side)
{
	struct sek_limit_keys *keys = &side->control->limit_keys;

	return getrandom(keys, sizeof(*keys), 0) == sizeof(*keys) ? 0 : -EIO;
}

static int map_control(struct bpf_side *side)
{
	void *control = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, side->map_fd[BPF_MAP_CONTROL], 0);

	int err;

	if (control == MAP_FAILED)
		return -errno;
	side->control = control;
	err = side->control->limit_bits ? 0 : make_keys(side);
	if (err)
		return err;
	/* Programs of before still have the old lines: no more than both sizes hold, until bpf_side_settle(). */
	if (!side->control->limit_bits || side->limiter_bits < side->control->limit_bits)
		side->control->limit_bits = side->limiter_bits;
	while (!side->control->epoch) {
		if (getrandom(&side->control->epoch, sizeof(side->control->epoch), 0) < 0)
			return -errno;
	}
	return 0;
}

static int load_first(struct bpf_side *side)
{
	int err = 0, lines = -1;

	side->first = open_object(side, 0, true);
	if (!side->first)
		return -errno;
	if (side->map_fd[BPF_MAP_LIMITER_LINES] < 0)
		err = bpf_limiter_size(side->first->maps.sek_limiter_lines, side->limiter_bits, &lines);
	if (!err)
		err = sekisho_bpf__load(side->first);
	if (lines >= 0)
		close(lines);
	if (err)
		return err;
	side->explain_fd = bpf_program__fd(side->first->progs.sek_explain);
	return pin_new(side);
}

static int make_dirs(struct bpf_side *side, const char *pin_dir)
{
	if (snprintf(side->pin_dir, sizeof(side->pin_dir), "%s/v%d", pin_dir, SEK_LAYOUT) >= (int)sizeof(side->pin_dir))
		return -ENAMETOOLONG;
	if (mkdir(pin_dir, 0700) && errno != EEXIST)
		return -errno;
	if (mkdir(side->pin_dir, 0700) && errno != EEXIST)
		return -errno;
	return 0;
}

int bpf_side_open(struct bpf_side *side, const char *pin_dir, unsigned limiter_bits, const char **ret_why)
{
	int i, err;

	memset(side, 0, sizeof(*side));
	for (i = 0; i < BPF_MAP_ALL; i++)
		side->map_fd[i] = -1;
	libbpf_set_print(say);
	side->n_cpus = libbpf_num_possible_cpus();
	side->limiter_bits = limiter_bits;
	side->has_skc_lookup = libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_skc_lookup_tcp, NULL) == 1;
	*ret_why = "making the pin folder";
	err = make_dirs(side, pin_dir);
	if (err)
		return err;
	side->adopted = adopt(side) == 0;
	if (side->adopted) {
		bpf_limiter_adopt(side);
	} else {
		bpf_side_unpin(side);
		err = make_dirs(side, pin_dir);
	}
	*ret_why = "loading the maps into the kernel";
	if (!err)
		err = load_first(side);
	if (!err) {
		*ret_why = "mapping the control map";
		err = map_control(side);
	}
	if (err) {
		if (!side->adopted)
			bpf_side_unpin(side);
		bpf_side_close(side);
	}
	return err;
}

void bpf_side_settle(struct bpf_side *side)
{
	side->control->limit_bits = side->limiter_bits;
}

void bpf_side_close(struct bpf_side *side)
{
	int i;

	if (side->control)
		munmap(side->control, getpagesize());
	side->control = NULL;
	sekisho_bpf__destroy(side->first);
	side->first = NULL;
	for (i = 0; i < BPF_MAP_ALL; i++) {
		if (side->map_fd[i] >= 0)
			close(side->map_fd[i]);
		side->map_fd[i] = -1;
	}
}

void bpf_side_zero_slot(const struct bpf_side *side, unsigned slot)
{
	size_t bytes = side->n_cpus * sizeof(struct sek_cpu);
	struct sek_cpu *cpus = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, side->map_fd[BPF_MAP_COUNTERS], 0);
	unsigned i;

	if (cpus == MAP_FAILED)
		return; /* then they go on from what they were */
	for (i = 0; i < side->n_cpus; i++)
		memset(cpus[i].verdicts[slot], 0, sizeof(cpus[i].verdicts[slot]));
	munmap(cpus, bytes);
}

void bpf_side_unpin(struct bpf_side *side)
{
	char path[300];
	int i;

	for (i = 0; i < BPF_MAP_ALL; i++) {
		bpf_pin_path(side, i, path, sizeof(path));
		(void)unlink(path); /* may never have been pinned */
		if (!side->first && side->map_fd[i] >= 0) {
			close(side->map_fd[i]);
			side->map_fd[i] = -1;
		}
	}
	(void)rmdir(side->pin_dir); /* links may still be there */
}

int bpf_program_load(const struct bpf_side *side, unsigned slot, struct sekisho_bpf **ret_object, int *ret_fd)
{
	struct sekisho_bpf *object = open_object(side, slot, false);
	int err;

	if (!object)
		return -errno;
	err = sekisho_bpf__load(object);
	if (err) {
		sekisho_bpf__destroy(object);
		return err;
	}
	*ret_object = object;
	*ret_fd = bpf_program__fd(object->progs.sek_xdp);
	return 0;
}

int bpf_program_open(const struct bpf_side *side, unsigned slot, struct sekisho_bpf **ret_object, struct bpf_object **ret_bpf)
{
	struct sekisho_bpf *object = open_object(side, slot, false);

	if (!object)
		return -errno;
	*ret_object = object;
	*ret_bpf = object->obj;
	return 0;
}

void bpf_program_free(struct sekisho_bpf *object)
{
	sekisho_bpf__destroy(object);
}

int bpf_table_swap(const struct bpf_side *side, const void *lines, unsigned n_lines)
{
	return bpf_table_put(side->map_fd[BPF_MAP_TABLE], &side->control->table_slot, lines, n_lines);
}

int bpf_explain(const struct bpf_side *side, struct sek_explain *explain)
{
	struct sek_explain answer = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = explain, .data_size_in = sizeof(*explain),
		    .data_out = &answer, .data_size_out = sizeof(answer), .repeat = 1);

	if (bpf_prog_test_run_opts(side->explain_fd, &opts))
		return -errno;
	if (!answer.answered)
		return -EIO;
	*explain = answer;
	return 0;
}

int bpf_map_open(const struct bpf_side *side, enum bpf_map_name name)
{
	int fd = fcntl(side->map_fd[name], F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? -errno : fd;
}

int bpf_map_open_readonly(const struct bpf_side *side, enum bpf_map_name name)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
	char path[300];
	int fd;

	bpf_pin_path(side, name, path, sizeof(path));
	fd = bpf_obj_get_opts(path, &opts);
	return fd < 0 ? -errno : fd;
}

unsigned long long bpf_table_generation(const struct bpf_side *side)
{
	struct sek_explain explain = { .family = 4 };

	if (bpf_explain(side, &explain))
		return 0;
	return explain.generation;
}

unsigned bpf_rates_used(const struct bpf_side *side, unsigned long long window)
{
	size_t bytes = SEK_RATES_MAX * sizeof(struct sek_rate_row);
	const struct sek_rate_row *rows = mmap(NULL, bytes, PROT_READ, MAP_SHARED, side->map_fd[BPF_MAP_RATES], 0);
	unsigned used = 0;
	size_t i;

	if (rows == MAP_FAILED)
		return 0;
	for (i = 0; i < SEK_RATES_MAX; i++)
		used += rows[i].tag && rows[i].window == window;
	munmap((void *)rows, bytes);
	return used;
}
