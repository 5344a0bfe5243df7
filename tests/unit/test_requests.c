// SPDX-License-Identifier: GPL-2.0
/*
 * Whom the keeper answers and what it refuses, with stand-ins for all it asks: the answer of a swap
 * goes to the engine's life that asked and to no later one; how long a mode may wait for its
 * confirmation.
 */
/* link: keeper/requests.c sys/channel.c sys/log.c -luv */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "keeper/keeper.h"
#include "lib/table_build.h"
#include "sys/channel.h"
#include "sys/bpf_slots.h"
#include "sys/notify.h"

static struct keeper keeper;
static struct sek_control control;
static struct role_msg answers[16];
static unsigned n_answers, n_swapped;

void engine_send(struct keeper *asked, struct role_msg *msg, const int *fds, unsigned n_fds)
{
	assert_true(n_answers < 16);
	answers[n_answers++] = *msg;
}

int bpf_table_swap(const struct bpf_side *side, const void *lines, unsigned n_lines)
{
	n_swapped++;
	return 0;
}

void engine_tell_ifaces(struct keeper *asked) {}
int bpf_ban_map_prepare(struct bpf_ban_map *bans, const void *lines) { return 0; }
void bpf_ban_map_settle(struct bpf_ban_map *bans, const void *lines) {}
/* What no row here reaches. */
int bpf_explain(const struct bpf_side *side, struct sek_explain *explain) { return -ENOSYS; }
void entries_handle(struct keeper *asked, const struct role_msg *msg, int fd) { fail(); }
void bans_handle(struct keeper *asked, const struct role_msg *msg, int fd) { fail(); }
int bpf_slots_wipe(const struct bpf_side *side, uint32_t whole, const struct limit_fold *folds, uint32_t n_folds) { return -ENOSYS; }
int fetchers_start(struct keeper *asked, const struct role_msg *msg, int *ret_fd, char *why, size_t why_bytes)
{
	return -ENOSYS;
}
int fetchers_try(struct keeper *asked, const int *fds, unsigned n_fds, int *ret_fd, char *why, size_t why_bytes) { return -ENOSYS; }
int crowdsec_start(struct keeper *asked, const struct role_msg *msg, int push_fd, int *ret_fd, char *why, size_t why_bytes) { return -ENOSYS; }
int feed_files_add(struct keeper *asked, const struct role_msg *msg, int fd, char *why, size_t why_bytes) { return -ENOSYS; }
int feed_files_remove(struct keeper *asked, const struct role_msg *msg, char *why, size_t why_bytes) { return -ENOSYS; }
int keeper_reload(struct keeper *asked, char *why, size_t why_bytes) { return -ENOSYS; }
void interfaces_detach(struct keeper *asked) { fail(); }
void interfaces_take_over(struct keeper *asked) { fail(); }
void notify_send(const char *text) { fail(); }

static void ask(enum role_type type, uint32_t seq, uint32_t number, int fd)
{
	struct role_msg msg = { .magic = ROLE_MAGIC, .type = type, .seq = seq, .n_fds = fd >= 0 };

	if (type == ROLE_MODE) {
		msg.body.mode.mode = SEK_MODE_MONITOR;
		msg.body.mode.confirm_s = number;
	}
	requests_handle(&keeper, &msg, &fd, fd >= 0);
}

/* A descriptor of a table that lists nothing, or of bytes that are none. */
static int image_fd(bool is_good)
{
	static struct sek_class none;
	struct policy policy = { .classes = &none, .n_classes = 1 };
	struct table_image image;
	int fd;

	if (!is_good)
		return channel_memfd("table", "junk", 4);
	assert_int_equal(table_build(&policy, 7, 1, &image), 0);
	fd = channel_memfd("table", image.lines, (size_t)image.n_lines * SEK_LINE_BYTES);
	table_image_free(&image);
	return fd;
}

static void run(void)
{
	while (uv_run(&keeper.loop, UV_RUN_ONCE))
		;
	assert_false(keeper.is_swapping);
	assert_null(keeper.swap_next);
}

static int setup(void **state)
{
	memset(&keeper, 0, sizeof(keeper));
	uv_loop_init(&keeper.loop);
	uv_timer_init(&keeper.loop, &keeper.confirm);
	control.mode = SEK_MODE_ENFORCE;
	keeper.side.control = &control;
	keeper.engine_life = 1;
	n_answers = n_swapped = 0;
	return 0;
}

static int teardown(void **state)
{
	uv_close((uv_handle_t *)&keeper.confirm, NULL);
	uv_run(&keeper.loop, UV_RUN_DEFAULT);
	return uv_loop_close(&keeper.loop);
}

static void swap_is_answered(void **state)
{
	for (int is_good = 0; is_good <= 1; is_good++) {
		ask(ROLE_SWAP, 40 + is_good, 0, image_fd(is_good));
		assert_int_equal(n_answers, is_good); /* nothing until it is done */
		run();
		assert_int_equal(n_answers, is_good + 1);
		assert_int_equal(answers[is_good].type, ROLE_REPLY);
		assert_int_equal(answers[is_good].seq, 40 + is_good);
		assert_int_equal(answers[is_good].err == 0, is_good);
		assert_int_equal(n_swapped, is_good);
	}
}

/*
 * A later life counts its requests from 1 again: it would take the answer for that of a swap of its
 * own.
 */
static void answer_of_an_earlier_life(void **state)
{
	for (int is_good = 0; is_good <= 1; is_good++) {
		ask(ROLE_SWAP, 5, 0, image_fd(is_good));
		keeper.engine_life++;
		run();
		assert_int_equal(n_answers, 0);
		assert_int_equal(n_swapped, is_good);
	}
}

/*
 * While a dead engine's swap is under way the next one's waits; one that waits when its engine dies
 * is never made.
 */
static void swap_behind_a_swap(void **state)
{
	ask(ROLE_SWAP, 5, 0, image_fd(true));
	keeper.engine_life++;
	ask(ROLE_SWAP, 5, 0, image_fd(true)); /* of life 2, which dies too */
	keeper.engine_life++;
	ask(ROLE_SWAP, 6, 0, image_fd(true));
	run();
	assert_int_equal(n_swapped, 2);
	assert_int_equal(n_answers, 1);
	assert_int_equal(answers[0].seq, 6);
	assert_int_equal(answers[0].err, 0);
}

static void swap_without_an_image(void **state)
{
	ask(ROLE_SWAP, 5, 0, -1);
	assert_int_equal(n_answers, 1);
	assert_int_equal(answers[0].err, -EBADMSG);
	run();
	assert_int_equal(n_swapped, 0);
}

/* Nobody watches for longer than a day, and the timer's milliseconds stay far from their end. */
static void longest_wait_for_a_confirmation(void **state)
{
	static const struct {
		uint32_t confirm_s;
		bool is_refused;
	} rows[] = {
		{ 0, false }, { 1, false }, { 86400, false }, { 86401, true }, { UINT32_MAX, true }
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		control.mode = SEK_MODE_ENFORCE;
		keeper.has_confirm = false;
		uv_timer_stop(&keeper.confirm);
		n_answers = 0;
		ask(ROLE_MODE, 9, rows[i].confirm_s, -1);
		assert_int_equal(n_answers, 1);
		assert_int_equal(answers[0].err, rows[i].is_refused ? -EINVAL : 0);
		assert_int_equal(control.mode,
				 rows[i].is_refused ? SEK_MODE_ENFORCE : SEK_MODE_MONITOR);
		assert_int_equal(uv_is_active((uv_handle_t *)&keeper.confirm),
				 !rows[i].is_refused && rows[i].confirm_s);
		if (rows[i].confirm_s && !rows[i].is_refused)
			assert_true(uv_timer_get_due_in(&keeper.confirm) <=
				    1000ull * rows[i].confirm_s);
		if (rows[i].is_refused)
			assert_non_null(strstr(answers[0].text, "24h"));
	}
	uv_timer_stop(&keeper.confirm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(swap_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(answer_of_an_earlier_life, setup, teardown),
		cmocka_unit_test_setup_teardown(swap_behind_a_swap, setup, teardown),
		cmocka_unit_test_setup_teardown(swap_without_an_image, setup, teardown),
		cmocka_unit_test_setup_teardown(longest_wait_for_a_confirmation, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
