// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel side as the keeper holds it: the pinned maps, a program a interface, the table's swap.
 * Only the keeper links this.
 */
#pragma once

#include <sekisho/maps.h>
#include <stdbool.h>
#include <stddef.h>

struct sekisho_bpf;
struct bpf_object;

#define BPF_FORMER_MAX 8 /* other layouts' folders at once; one is usual after an upgrade */

enum bpf_map_name {
	BPF_MAP_TABLE, BPF_MAP_ENTRIES, BPF_MAP_CONTROL, BPF_MAP_RAILS, BPF_MAP_COUNTERS, BPF_MAP_LIMITER_LINES, BPF_MAP_LIMITER_BANS,
	BPF_MAP_LIMITER_EVIDENCE, BPF_MAP_EVENTS, BPF_MAP_TOP, BPF_MAP_RATES, BPF_MAP_N,
	/* inside those named LIMITER, made when first needed (bpf_limiter.h): else their descriptors are -1 */
	BPF_MAP_LIMIT_LINES = BPF_MAP_N, BPF_MAP_BANS, BPF_MAP_EVIDENCE, BPF_MAP_ALL
};

struct bpf_side {
	char pin_dir[256];	      /* with the layout's version: PINDIR/vN */
	struct bpf_former {	      /* what an agent of another layout left; bpf_former_find() */
		char pin_dir[256];
		unsigned control_id;  /* of its control map, which every program of it uses; 0: not there */
	} former[BPF_FORMER_MAX];
	unsigned n_former;
	int map_fd[BPF_MAP_ALL];      /* read-write */
	struct sek_control *control;  /* the control map, mmap'd for writing */
	struct sekisho_bpf *first;    /* object that made or adopted the maps; holds sek_explain */
	int explain_fd;
	bool adopted;		      /* the maps were there before us */
	bool limiter_is_new;	      /* of them, the limiter's lines were made anew, in another size */
	unsigned limiter_bits;	      /* log2 of the limiter's lines, if there are any */
	unsigned n_cpus;	      /* possible CPUs */
	bool has_skc_lookup;	      /* the kernel lets XDP programs look connections up, for the evidence */
};

/*
 * Opens the maps pinned under @pin_dir, or makes and pins them, and loads sek_explain. The limiter gets 2^@limiter_bits
 * lines: one of another size is made anew, without its sources.
 * Errors: negative errno; *ret_why (static text) says at which step. Nothing stays behind on failure.
 */
int bpf_side_open(struct bpf_side *side, const char *pin_dir, unsigned limiter_bits, const char **ret_why);

/* Every program in force was loaded on this side: limits take the limiter's whole size from here on. */
void bpf_side_settle(struct bpf_side *side);
void bpf_side_close(struct bpf_side *side);

/* Empties the counters of the interface @slot, which no attached program has: they become another's. */
void bpf_side_zero_slot(const struct bpf_side *side, unsigned slot);

/* Unpins the maps and removes the folder: protection ends when the last link is gone too. */
void bpf_side_unpin(struct bpf_side *side);

/*
 * Loads sek_xdp for counter slot @slot on the open maps. *ret_object owns the program: bpf_program_free().
 * Errors: negative errno of the verifier or the kernel.
 */
int bpf_program_load(const struct bpf_side *side, unsigned slot, struct sekisho_bpf **ret_object, int *ret_fd);
/*
 * The same without loading, for libxdp to load into a dispatcher; *ret_bpf is the object as libbpf knows it.
 * Errors: negative errno.
 */
int bpf_program_open(const struct bpf_side *side, unsigned slot, struct sekisho_bpf **ret_object, struct bpf_object **ret_bpf);
void bpf_program_free(struct sekisho_bpf *object);

/*
 * Puts a checked image of @n_lines lines in force (bpf_table_put()): waits for RCU (4-220 ms measured,
 * see table.md of the design): never call it from the event loop. Errors: negative errno; the old table stays.
 */
int bpf_table_swap(const struct bpf_side *side, const void *lines, unsigned n_lines);

/* Where @name is, or would be, pinned. */
void bpf_pin_path(const struct bpf_side *side, enum bpf_map_name name, char *path, size_t size);

/* Asks the kernel's own maps about one source. Errors: negative errno. */
int bpf_explain(const struct bpf_side *side, struct sek_explain *explain);

/* One that writes, for a ring buffer, whose reader must. Errors: negative errno. */
int bpf_map_open(const struct bpf_side *side, enum bpf_map_name name);
/* A read-only descriptor of pinned map @name, for the engine. Errors: negative errno. */
int bpf_map_open_readonly(const struct bpf_side *side, enum bpf_map_name name);

/* Generation of the table in force, 0 where there is none. */
unsigned long long bpf_table_generation(const struct bpf_side *side);

/* Rows of the rates' sample that are of @window; 0 too where the map cannot be read. */
unsigned bpf_rates_used(const struct bpf_side *side, unsigned long long window);
