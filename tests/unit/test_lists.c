// SPDX-License-Identifier: GPL-2.0
/*
 * An update on its way to the disk: until the loop keeps it, nothing has its name, whatever became of the feed meanwhile; and what
 * is on disk of feeds that are no more goes.
 */
/* link: engine/lists.c engine/lists_find.c sys/channel.c sys/file.c -luv */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/lists.h"
#include "lib/feed_sink.h"
#include "sys/channel.h"

static char folder[] = "/tmp/sek-lists-XXXXXX";
static uv_loop_t loop;
static bool keeps;
static int kept_err;

static bool is_there(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/lists/%s", folder, name);
	return access(path, F_OK) == 0;
}

static void touch(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/lists/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static bool is_inside(const struct engine_list *list, const void *part)
{
	const char *at = part, *data = list->data;

	return at >= data && at <= data + list->bytes;
}

/* The list is mapped from its file, and no part of it is looked for in the memfd's mapping, which is gone. */
static void check_parts(const struct engine_list *list)
{
	assert_non_null(list->data);
	assert_ptr_equal(list->view.head, list->data);
	assert_true(is_inside(list, list->view.v4) && is_inside(list, list->view.v6));
	assert_true(is_inside(list, list->view.errors) && is_inside(list, list->view.origin));
	assert_int_equal(list->view.v4[0].addr, 0xc0000201);
	assert_int_equal(list->view.origin->why[0], 0);
	assert_true(list->coverage4 > 0);
}

static void done(struct lists_job *job)
{
	assert_int_equal(job->outcome, LISTS_TAKEN);
	assert_true(is_there("one.new-1"));
	assert_false(is_there("one.list"));
	check_parts(&job->list);
	kept_err = keeps ? lists_job_keep(job) : -ECANCELED;
	lists_job_free(job);
}

/* A list of one address as a fetcher hands it over. */
static int memfd_of_one(void)
{
	struct feed_sink *sink = feed_sink_new(10);
	struct prefix prefix;
	void *file;
	size_t len;
	int fd;

	assert_non_null(sink);
	assert_int_equal(prefix_parse("192.0.2.1", 9, &prefix, NULL), 0);
	assert_int_equal(feed_sink_add(sink, &prefix), 0);
	assert_int_equal(feed_sink_finish(sink, &file, &len), 0);
	feed_sink_free(sink);
	fd = channel_memfd("list", file, len);
	free(file);
	assert_true(fd >= 0);
	return fd;
}

static void run_job(bool keep)
{
	struct lists_job *job = calloc(1, sizeof(*job));

	assert_non_null(job);
	*job = (struct lists_job){ .done = done, .state_dir = folder, .name = "one", .serial = 1, .fd = memfd_of_one(),
				   .guard = { .max_entries = 10, .max_change_percent = 0, .max_coverage = 1, .max_errors = 1 } };
	keeps = keep;
	assert_int_equal(lists_job_start(&loop, job), 0);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void test_job(void **state)
{
	struct engine_list list = { 0 };
	const char *why;

	run_job(false); /* the feed was removed while it was written */
	assert_int_equal(kept_err, -ECANCELED);
	assert_false(is_there("one.list"));
	assert_false(is_there("one.new-1"));
	run_job(true);
	assert_int_equal(kept_err, 0);
	assert_true(is_there("one.list"));
	assert_false(is_there("one.new-1"));
	assert_int_equal(lists_load(folder, "one", LISTS_GOOD, &list, &why), 0);
	assert_int_equal(lists_prefixes(&list), 1);
	lists_unmap(&list);
}

static bool knows_one(void *arg, const char *name)
{
	return !strcmp(name, "one");
}

static void test_strangers(void **state)
{
	static const char *const files[] = { "one.held", "one.since", "two.list", "two.held", "two.since", "two.new-7" };
	unsigned i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		touch(files[i]);
	lists_drop_strangers(folder, knows_one, NULL);
	assert_true(is_there("one.list"));
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) /* what is on its way is its job's to remove */
		assert_int_equal(is_there(files[i]), !strncmp(files[i], "one", 3) || i == 5);
	lists_remove(folder, "one");
	lists_clean(folder);
	assert_false(is_there("one.list") || is_there("one.since") || is_there("two.new-7"));
}

static int setup(void **state)
{
	char path[64];

	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/lists", folder);
	return mkdir(path, 0700) || uv_loop_init(&loop);
}

static int teardown(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/lists", folder);
	return uv_loop_close(&loop) || rmdir(path) || rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_job), cmocka_unit_test(test_strangers) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
