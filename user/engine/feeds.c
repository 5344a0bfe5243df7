// SPDX-License-Identifier: GPL-2.0
/* Feeds: their schedule, their fetches, their last good lists on disk. A bad update changes nothing but its error. */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/channel.h"
#include "sys/log.h"

#define FEEDS_RETRY_S 60	  /* first wait after a failure; doubled up to the interval */
#define FEEDS_CHANGE_MIN 100	  /* entries: below it a list may change as it likes */

static void list_path(const struct engine *engine, const char *name, const char *suffix, char *path)
{
	snprintf(path, ENGINE_PATH_BYTES, "%s/lists/%s.list%s", engine->state_dir, name, suffix);
}

static void unmap(struct engine_list *list)
{
	if (list->data)
		munmap(list->data, list->bytes);
	memset(list, 0, sizeof(*list));
}

static int map_list(int fd, size_t bytes, struct engine_list *ret_list, const char **ret_why)
{
	struct engine_list list = { .bytes = bytes };

	*ret_why = "it cannot be mapped";
	list.data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (list.data == MAP_FAILED)
		return -errno;
	if (list_file_check(list.data, bytes, &list.view, ret_why)) {
		munmap(list.data, bytes);
		return -EBADMSG;
	}
	*ret_list = list;
	return 0;
}

static void load_last_good(struct engine *engine, struct engine_feed *feed)
{
	char path[ENGINE_PATH_BYTES];
	const char *why = "";
	struct stat st;
	int fd;

	list_path(engine, feed->state.name, "", path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (fstat(fd, &st) || !st.st_size || map_list(fd, st.st_size, &feed->list, &why))
		log_line(LOG_ERR, "feed %s: the stored list is damaged (%s); it is fetched again", feed->state.name, why);
	close(fd);
}

static int write_whole(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= n;
		}
	}
	return fsync(fd) ? -errno : 0;
}

static int store_list(struct engine *engine, const char *name, const struct engine_list *list)
{
	char path[ENGINE_PATH_BYTES], new_path[ENGINE_PATH_BYTES];
	int fd, err;

	list_path(engine, name, "", path);
	list_path(engine, name, ".new", new_path);
	fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = write_whole(fd, list->data, list->bytes);
	close(fd);
	if (!err && rename(new_path, path))
		err = -errno;
	if (err)
		(void)unlink(new_path); /* the old list is still there */
	return err;
}

static uint64_t jitter(uint64_t s)
{
	uint32_t random = 0;

	(void)getrandom(&random, sizeof(random), 0); /* 0 is a fine jitter too */
	return s * 900 + s * 200 * (random >> 8) / (1u << 24); /* ms: 90 to 110 % */
}

static void schedule(struct engine *engine, struct engine_feed *feed)
{
	uint64_t wait_s = feed->config->interval_s;
	unsigned i;

	if (feed->state.failures) {
		wait_s = FEEDS_RETRY_S;
		for (i = 1; i < feed->state.failures && wait_s < feed->config->interval_s; i++)
			wait_s *= 2;
		if (wait_s > feed->config->interval_s)
			wait_s = feed->config->interval_s;
	}
	feed->next_ms = uv_now(&engine->loop) + jitter(wait_s);
}

static void finish(struct engine *engine, struct engine_feed *feed, const char *error)
{
	feed->is_fetching = false;
	feed->state.last_try_s = engine_now_s();
	snprintf(feed->state.error, sizeof(feed->state.error), "%s", error);
	if (error[0]) {
		feed->state.failures++;
		feed->state.failures_total++;
		log_line(LOG_WARNING, "feed %s: %s; the last good list stays", feed->state.name, error);
	} else {
		feed->state.failures = 0;
		feed->state.last_success_s = feed->state.last_try_s;
	}
	if (store_feed_put(engine->store, &feed->state))
		log_line(LOG_ERR, "feed %s: the state cannot be written: %s", feed->state.name, store_error(engine->store));
	schedule(engine, feed);
	control_updates_done(engine);
}

/* Why the new list is not taken, or an empty text. */
static void judge(const struct engine_feed *feed, const struct engine_list *list, double *coverage, char *why, size_t why_bytes)
{
	struct policy_list policy = { .v4 = list->view.v4, .n4 = list->view.head->n4, .v6 = list->view.v6, .n6 = list->view.head->n6 };
	uint64_t now = policy.n4 + policy.n6, old = feed->list.data ? feed->list.view.head->n4 + feed->list.view.head->n6 : 0;
	uint64_t percent = feed->config->max_change_percent;

	why[0] = '\0';
	coverage[0] = policy_coverage(&policy, 4);
	coverage[1] = policy_coverage(&policy, 6);
	if (now > feed->config->max_entries)
		snprintf(why, why_bytes, "%llu prefixes, more than max-entries %u", (unsigned long long)now, feed->config->max_entries);
	else if (coverage[0] > feed->config->max_coverage || coverage[1] > feed->config->max_coverage)
		snprintf(why, why_bytes, "it covers %.2f %% of routable IPv4 and %.2f %% of IPv6, more than max-coverage %.2f %%", coverage[0] * 100, coverage[1] * 100, feed->config->max_coverage * 100);
	else if (old > FEEDS_CHANGE_MIN && percent && (now * 100 < old * (percent < 100 ? 100 - percent : 0) || now * 100 > old * (100 + percent)))
		snprintf(why, why_bytes, "from %llu to %llu prefixes, a change over max-change %u %%", (unsigned long long)old, (unsigned long long)now, feed->config->max_change_percent);
}

static void take_list(struct engine *engine, struct engine_feed *feed, const struct fetch_result *result, int fd)
{
	struct engine_list list;
	const char *why = "it is not sealed";
	char error[256] = "";
	double coverage[2];
	size_t bytes;

	if (channel_check_sealed(fd, &bytes) || map_list(fd, bytes, &list, &why)) {
		snprintf(error, sizeof(error), "the fetcher's list is refused: %s", why);
		finish(engine, feed, error);
		return;
	}
	judge(feed, &list, coverage, error, sizeof(error));
	if (!error[0] && store_list(engine, feed->state.name, &list))
		snprintf(error, sizeof(error), "the list cannot be stored: %s", strerror(errno));
	if (error[0]) {
		unmap(&list);
		finish(engine, feed, error);
		return;
	}
	unmap(&list);
	unmap(&feed->list);
	load_last_good(engine, feed);
	feed->coverage4 = coverage[0];
	feed->coverage6 = coverage[1];
	snprintf(feed->state.etag, sizeof(feed->state.etag), "%.*s", (int)sizeof(result->etag) - 1, result->etag);
	snprintf(feed->state.last_modified, sizeof(feed->state.last_modified), "%.*s", (int)sizeof(result->last_modified) - 1, result->last_modified);
	feed->state.fetch_ms = result->duration_ms;
	log_line(LOG_INFO, "feed %s: %u IPv4 and %u IPv6 prefixes", feed->state.name, feed->list.view.head->n4, feed->list.view.head->n6);
	compile_want(engine);
	finish(engine, feed, "");
}

static void free_poll(uv_handle_t *handle)
{
	free(handle);
}

static void on_result(uv_poll_t *poll, int status, int events)
{
	struct engine_feed *feed = poll->data;
	struct engine *engine = poll->loop->data;
	struct fetch_result result;
	char error[300];
	unsigned n = 0;
	size_t len = 0;
	int fd = -1, err = channel_recv(feed->fetch_fd, &result, sizeof(result), &len, &fd, 1, &n);

	if (err == -EAGAIN)
		return;
	uv_poll_stop(poll);
	close(feed->fetch_fd);
	uv_close((uv_handle_t *)poll, free_poll);
	result.why[sizeof(result.why) - 1] = '\0';
	if (err || len != sizeof(result) || result.magic != FETCH_MAGIC)
		finish(engine, feed, "the fetcher died");
	else if (result.status == FETCH_UNCHANGED)
		finish(engine, feed, feed->list.data ? "" : "unchanged, but there is no list yet");
	else if (result.status != FETCH_LIST || n != 1) {
		snprintf(error, sizeof(error), "%s", result.why);
		finish(engine, feed, error);
	} else
		take_list(engine, feed, &result, fd);
	if (n)
		close(fd);
	feeds_tick(engine); /* a place is free: the next feed need not wait for the second's tick */
}

static void fetch(struct engine *engine, struct engine_feed *feed)
{
	struct role_msg msg = { .type = ROLE_FETCH }, reply;
	int fd = -1;

	msg.body.fetch.config_epoch = engine->config_epoch;
	msg.body.fetch.feed = feed - engine->feeds;
	if (feed->list.data) {
		snprintf(msg.body.fetch.etag, sizeof(msg.body.fetch.etag), "%s", feed->state.etag);
		snprintf(msg.body.fetch.last_modified, sizeof(msg.body.fetch.last_modified), "%s", feed->state.last_modified);
	}
	feed->is_fetching = true;
	role_call(engine, &msg, NULL, 0, &reply, &fd);
	if (reply.err == -ESTALE) { /* a new config is on its way to us, and asks again */
		feed->is_fetching = false;
		schedule(engine, feed);
		return;
	}
	if (reply.err || fd < 0) {
		finish(engine, feed, reply.text[0] ? reply.text : "the fetcher cannot be started");
		return;
	}
	feed->fetch_fd = fd;
	feed->fetch_poll = calloc(1, sizeof(*feed->fetch_poll));
	if (!feed->fetch_poll) {
		close(fd);
		finish(engine, feed, "out of memory");
		return;
	}
	uv_poll_init(&engine->loop, feed->fetch_poll, fd);
	feed->fetch_poll->data = feed;
	uv_poll_start(feed->fetch_poll, UV_READABLE, on_result);
}

void feeds_tick(struct engine *engine)
{
	size_t i, running = 0;

	for (i = 0; i < engine->n_feeds; i++)
		running += engine->feeds[i].is_fetching;
	for (i = 0; i < engine->n_feeds && running < ENGINE_FETCHES_MAX; i++) {
		if (engine->feeds[i].is_fetching || engine->feeds[i].next_ms > uv_now(&engine->loop))
			continue;
		fetch(engine, &engine->feeds[i]);
		running++;
	}
}

bool feeds_are_busy(const struct engine *engine, const char *name)
{
	size_t i;

	for (i = 0; i < engine->n_feeds; i++) {
		if (name && strcmp(engine->feeds[i].state.name, name))
			continue;
		if (engine->feeds[i].is_fetching || engine->feeds[i].next_ms <= uv_now(&engine->loop))
			return true;
	}
	return false;
}

struct engine_feed *feeds_find(struct engine *engine, const char *name)
{
	size_t i;

	for (i = 0; i < engine->n_feeds; i++) {
		if (!strcmp(engine->feeds[i].state.name, name))
			return &engine->feeds[i];
	}
	return NULL;
}

int feeds_update(struct engine *engine, const char *name)
{
	struct engine_feed *one = name ? feeds_find(engine, name) : NULL;
	size_t i;

	if (name && !one)
		return -ENOENT;
	for (i = 0; i < engine->n_feeds; i++) {
		if (!name || one == &engine->feeds[i])
			engine->feeds[i].next_ms = 0;
	}
	feeds_tick(engine);
	return 0;
}

static void set_allow(struct engine *engine)
{
	size_t i;

	free(engine->allow4);
	free(engine->allow6);
	engine->n_allow4 = engine->n_allow6 = 0;
	engine->allow4 = calloc(engine->config->n_allow + 1, sizeof(*engine->allow4));
	engine->allow6 = calloc(engine->config->n_allow + 1, sizeof(*engine->allow6));
	for (i = 0; engine->allow4 && engine->allow6 && i < engine->config->n_allow; i++) {
		if (engine->config->allow[i].family == 4)
			engine->allow4[engine->n_allow4++] = prefix_to4(&engine->config->allow[i]);
		else
			engine->allow6[engine->n_allow6++] = prefix_to6(&engine->config->allow[i]);
	}
}

int feeds_configure(struct engine *engine, struct config *config, uint32_t epoch)
{
	struct engine_feed *feeds = calloc(config->n_feeds + 1, sizeof(*feeds));
	size_t i;

	if (!feeds) {
		log_line(LOG_ERR, "config: out of memory, the old one stays");
		config_free(config);
		return -ENOMEM;
	}
	for (i = 0; i < engine->n_feeds; i++) {
		if (engine->feeds[i].is_fetching) {
			uv_poll_stop(engine->feeds[i].fetch_poll);
			close(engine->feeds[i].fetch_fd);
			uv_close((uv_handle_t *)engine->feeds[i].fetch_poll, free_poll);
		}
		unmap(&engine->feeds[i].list);
	}
	free(engine->feeds);
	config_free(engine->config);
	engine->config = config;
	engine->config_epoch = epoch;
	engine->feeds = feeds;
	engine->n_feeds = config->n_feeds;
	for (i = 0; i < config->n_feeds; i++) {
		feeds[i].config = &config->feeds[i];
		if (store_feed_get(engine->store, config->feeds[i].name, config->feeds[i].url ? config->feeds[i].url : config->feeds[i].path, &feeds[i].state))
			log_line(LOG_ERR, "feed %s: the state cannot be read: %s", config->feeds[i].name, store_error(engine->store));
		load_last_good(engine, &feeds[i]);
	}
	set_allow(engine);
	compile_want(engine);
	return 0;
}
