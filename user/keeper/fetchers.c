// SPDX-License-Identifier: GPL-2.0
/*
 * One process an update: the keeper writes the job from its own config, so that the engine cannot
 * ask for another URL or file, and hands the engine the other end of the fetcher's channel. It
 * opens no list itself and waits for no fetcher: a file on a mount that does not answer would keep
 * it for ever. The fetcher opens the main config's with our rights (spawn.h), and then only what
 * everybody may read: else a link that somebody puts there would show any file's lines.
 */
#include "keeper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/feed_file.h"
#include "lib/fetch_msg.h"
#include "lib/policy.h"
#include "sys/channel.h"
#include "sys/log.h"
#include "sys/secret.h"
#include "sys/spawn.h"

#define FETCH_BODY_MAX_BYTES (256ull << 20) /* bytes: 10 M lines of IPv4 take about 150 MB */
#define FETCH_TOTAL_S 300                   /* seconds: 256 MiB at a megabyte a second */
#define FILE_TOTAL_S 60                     /* seconds: 256 MiB at four megabytes a second */
#define FETCH_PARSE_S 30                    /* seconds more, to parse the longest list */
#define KEY_TOTAL_S 30                      /* seconds: one line of a file */
/* killed for so long and still there: it hangs in the kernel */
#define HANGS_MS 1000
#define TRY_TOTAL_S 50                      /* seconds: a client waits for 60 (client.h) */

/* Does the URL itself name a private address? Then a redirect to one is no surprise. */
static bool names_private(const char *url)
{
	const char *host = strstr(url, "://");
	char text[64];
	struct prefix prefix;
	size_t len;

	if (!host)
		return false;
	host += 3;
	if (*host == '[')
		host++;
	len = strcspn(host, host[-1] == '[' ? "]" : ":/?#");
	if (len >= sizeof(text))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	if (!strcmp(text, "localhost"))
		return true;
	return prefix_parse(text, len, &prefix, NULL) == PREFIX_OK && policy_is_private(&prefix);
}

/* @msg: with the validators; NULL: there are none. */
static void fill_job(const struct config_feed *feed, const struct role_msg *msg,
		     struct fetch_job *job)
{
	memset(job, 0, sizeof(*job));
	job->magic = FETCH_MAGIC;
	job->format = feed->format;
	job->options = feed->options;
	job->is_file = !feed->path ? 0 : feed->is_main ? FETCH_LISTED : FETCH_PATH;
	/*
	 * Up to twice as many are read, so that a person can see what came; the engine holds what
	 * is over max-entries.
	 */
	job->max_entries = feed->guard.max_entries < SEK_PREFIXES_V4_MAX / 2
				   ? feed->guard.max_entries * 2
				   : SEK_PREFIXES_V4_MAX;
	job->max_body_bytes = FETCH_BODY_MAX_BYTES;
	job->total_timeout_s = job->is_file ? FILE_TOTAL_S : FETCH_TOTAL_S;
	snprintf(job->name, sizeof(job->name), "%s", feed->name);
	snprintf(job->url, sizeof(job->url), "%s", feed->url ? feed->url : feed->path);
	job->may_be_private = feed->url && names_private(feed->url);
	if (!job->is_file && msg) {
		snprintf(job->etag, sizeof(job->etag), "%.*s", (int)sizeof(job->etag) - 1,
			 msg->body.fetch.etag);
		snprintf(job->last_modified, sizeof(job->last_modified), "%.*s",
			 (int)sizeof(job->last_modified) - 1, msg->body.fetch.last_modified);
	}
	snprintf(job->user_agent, sizeof(job->user_agent), "sekisho/%s", SEKISHO_VERSION);
	if (feed->ca_file)
		snprintf(job->ca_file, sizeof(job->ca_file), "%s", feed->ca_file);
}

static bool is_at_work(const struct keeper_fetcher *one)
{
	return one->pid && !one->is_killed;
}

static unsigned tries(const struct keeper *keeper)
{
	unsigned i, n = 0;

	for (i = 0; i < KEEPER_FETCHERS_ROOM; i++)
		n += is_at_work(&keeper->fetcher[i]) && keeper->fetcher[i].is_try;
	return n;
}

static struct keeper_fetcher *free_place(struct keeper *keeper)
{
	struct keeper_fetcher *place = NULL;
	unsigned i, n = 0;

	for (i = 0; i < KEEPER_FETCHERS_ROOM; i++) {
		n += is_at_work(&keeper->fetcher[i]);
		if (!keeper->fetcher[i].pid)
			place = &keeper->fetcher[i];
	}
	return n < KEEPER_FETCHERS_MAX ? place : NULL;
}

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/: never 0 in practice. */
static uint64_t source_of(const struct fetch_job *job)
{
	uint64_t hash = 0xcbf29ce484222325;
	const char *c;

	for (c = job->url; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	return hash;
}

/* May the source of @job be read, or does one that was killed still hang in it? */
static int check_source(const struct keeper *keeper, const struct fetch_job *job, char *why,
			size_t why_bytes)
{
	uint64_t source = source_of(job), now_ms = uv_now(&keeper->loop);
	int i;

	for (i = 0; i < KEEPER_FETCHERS_ROOM; i++) {
		const struct keeper_fetcher *one = &keeper->fetcher[i];

		if (!one->pid || !one->is_killed || one->source != source)
			continue;
		if (now_ms - one->killed_ms < HANGS_MS)
			return -EAGAIN; /* on its way out, most likely */
		snprintf(why, why_bytes, "process %d, which was to read it, was killed %llu s ago and hangs in the kernel: is %s on a mount that does not answer? It is read again when that process is gone",
			 (int)one->pid, (unsigned long long)(now_ms - one->killed_ms) / 1000,
			 one->has_key ? "its key-file" : "it");
		return -EBUSY;
	}
	return 0;
}

/*
 * @given: a list that is there already, of a job that is FETCH_GIVEN, or a push's body; else -1.
 * @key_file: NULL none. Fills @place, but for whom it is.
 */
static int start(struct keeper *keeper, const struct fetch_job *job, const char *key_file,
		 int given, struct keeper_fetcher *place, int *ret_fd)
{
	const struct spawn_file key = {key_file, secret_open}, list = {job->url, spawn_open_public};
	const struct spawn_file *file = job->is_file == FETCH_LISTED ? &list : NULL;
	char path[KEEPER_PATH_BYTES + 32];
	char *argv[] = {path, NULL};
	int pair[2], fds[2], err;

	snprintf(path, sizeof(path), "%s/sekisho-fetch", keeper->helpers);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	fds[0] = pair[1];
	fds[1] = given;
	err = channel_send(pair[0], job, sizeof(*job), NULL, 0);
	if (!err)
		err = spawn_child(argv, keeper->fetch_uid, keeper->fetch_gid, fds,
				  given >= 0 ? 2 : 1, key_file ? &key : file, &place->pid);
	if (err) {
		place->pid = 0;
		close(pair[0]);
		close(pair[1]);
		return err;
	}
	place->is_file = job->is_file;
	place->has_key = key_file != NULL;
	place->is_killed = false;
	place->fd = pair[1];
	place->total_s = job->total_timeout_s + FETCH_PARSE_S;
	place->source = place->is_try ? 0 : source_of(job);
	place->started_ms = uv_now(&keeper->loop);
	*ret_fd = pair[0];
	return 0;
}

/* Nobody waits for it: SIGCHLD, or the next look, finds it gone, sooner or later. */
static void end(struct keeper *keeper, struct keeper_fetcher *one)
{
	(void)kill(one->pid, SIGKILL); /* it is our child, not reaped yet */
	close(one->fd);
	one->is_killed = true;
	one->killed_ms = uv_now(&keeper->loop);
}

/*
 * Ends the fetchers that nobody waits for: of a config that is no more, or of an engine that died.
 * A server that does not answer would keep each for its whole time limit, and with it a place.
 */
static void end_forgotten(struct keeper *keeper)
{
	int i;

	for (i = 0; i < KEEPER_FETCHERS_ROOM; i++) {
		struct keeper_fetcher *one = &keeper->fetcher[i];

		if (is_at_work(one) && (one->life != keeper->engine_life ||
					(!one->is_try && one->epoch != keeper->current.epoch)))
			end(keeper, one);
		if (one->pid && one->is_killed && waitpid(one->pid, NULL, WNOHANG) == one->pid)
			one->pid = 0;
	}
}

void fetchers_reload(struct keeper *keeper)
{
	end_forgotten(keeper);
}

static void add_key(const struct config_feed *feed, struct fetch_job *job)
{
	if (!feed->key_file)
		return;
	job->has_key = 1;
	snprintf(job->key_file, sizeof(job->key_file), "%s", feed->key_file);
	if (feed->key_query[0])
		snprintf(job->secret, sizeof(job->secret), "?%s=", feed->key_query);
	else
		snprintf(job->secret, sizeof(job->secret), "%s%s ", feed->key_header,
			 strchr(feed->key_header, ':') ? "" : ":");
}

int fetchers_spawn(struct keeper *keeper, const struct fetch_job *job, const char *key_file,
		   int file_fd, int *ret_fd, char *why, size_t why_bytes)
{
	struct keeper_fetcher *place;
	int err;

	end_forgotten(keeper);
	err = check_source(keeper, job, why, why_bytes);
	if (err)
		return err;
	place = free_place(keeper);
	if (!place)
		return -EAGAIN;
	place->life = keeper->engine_life;
	place->epoch = keeper->current.epoch;
	place->is_try = false;
	return start(keeper, job, key_file, file_fd, place, ret_fd);
}

int fetchers_start(struct keeper *keeper, const struct role_msg *msg, int *ret_fd, char *why,
		   size_t why_bytes)
{
	const struct config *config = keeper->current.config;
	const struct config_feed *feed;
	struct fetch_job job;

	if (msg->body.fetch.config_epoch != keeper->current.epoch)
		return -ESTALE;
	if (msg->body.fetch.feed >= config->n_feeds)
		return -EINVAL;
	feed = &config->feeds[msg->body.fetch.feed];
	fill_job(feed, msg, &job);
	add_key(feed, &job);
	return fetchers_spawn(keeper, &job, feed->key_file, -1, ret_fd, why, why_bytes);
}

/* The lines of a ROLE_TRY or ROLE_FEED_ADD, NUL-terminated, to @room of FEED_FILE_BYTES + 1. */
int fetchers_read_pairs(int fd, char *room, size_t *ret_len)
{
	size_t len;
	int err = channel_check_sealed(fd, &len);

	if (err)
		return err;
	if (len > FEED_FILE_BYTES || pread(fd, room, len, 0) != (ssize_t)len)
		return -EBADMSG;
	room[len] = '\0';
	*ret_len = len;
	return 0;
}

/* The one feed that the request's lines make, and whether its descriptors fit it. */
static int read_try(const int *fds, unsigned n_fds, struct config **ret_config, char *why,
		    size_t why_bytes)
{
	char pairs[FEED_FILE_BYTES + 1];
	size_t len, unused;
	int err = n_fds >= 1 && n_fds <= 2 ? fetchers_read_pairs(fds[0], pairs, &len) : -EBADMSG;

	if (!err)
		err = feed_file_read("try", pairs, len, ret_config, why, why_bytes);
	if (err)
		return err;
	if (((*ret_config)->feeds[0].path != NULL) != (n_fds == 2) ||
	    (n_fds == 2 && channel_check_sealed(fds[1], &unused))) {
		config_free(*ret_config);
		return -EBADMSG;
	}
	return 0;
}

int fetchers_try(struct keeper *keeper, const int *fds, unsigned n_fds, int *ret_fd, char *why,
		 size_t why_bytes)
{
	struct keeper_fetcher *place;
	struct config *config;
	struct fetch_job job;
	int err = read_try(fds, n_fds, &config, why, why_bytes);

	if (err)
		return err;
	fill_job(&config->feeds[0], NULL, &job);
	config_free(config);
	job.total_timeout_s = TRY_TOTAL_S;
	if (job.is_file)
		job.is_file = FETCH_GIVEN;
	end_forgotten(keeper);
	place = tries(keeper) < KEEPER_TRIES_MAX ? free_place(keeper) : NULL;
	if (!place)
		return -EAGAIN;
	place->life = keeper->engine_life;
	place->is_try = true;
	return start(keeper, &job, NULL, n_fds == 2 ? fds[1] : -1, place, ret_fd);
}

/* Over its time: what the engine would wait for in vain is said in its place. */
static void end_over(struct keeper *keeper, struct keeper_fetcher *one, uint32_t after_s)
{
	struct fetch_result result = { .magic = FETCH_MAGIC, .status = FETCH_FAILED };

	snprintf(result.why, sizeof(result.why), "no end after %u s: process %d, which was to read it, is killed%s", after_s, (int)one->pid,
		 one->has_key ? "; is its key-file on a mount that does not answer?" : one->is_file ? "; is it on a mount that does not answer?" : "");
	/* a job that nobody took: its end would come before our words */
	(void)recv(one->fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC);
	/* the engine may be gone, or the fetcher have filled it */
	(void)send(one->fd, &result, sizeof(result), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(one->fd, SHUT_RDWR);
	end(keeper, one);
}

/* Its time; a shorter one while it has not even taken its job, for which it reads a key first. */
static uint32_t time_of(const struct keeper_fetcher *one)
{
	if (one->has_key && recv(one->fd, NULL, 0, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC) > 0)
		return KEY_TOTAL_S;
	return one->total_s;
}

void fetchers_tick(struct keeper *keeper, uint64_t now_ms)
{
	int i;

	for (i = 0; i < KEEPER_FETCHERS_ROOM; i++) {
		struct keeper_fetcher *one = &keeper->fetcher[i];
		uint32_t time_s = is_at_work(one) ? time_of(one) : 0;

		if (!time_s || now_ms - one->started_ms < time_s * 1000ull)
			continue;
		log_line(LOG_ERR, "fetch: a fetcher is over its %u seconds: it is killed; the last good list stays", time_s);
		end_over(keeper, one, time_s);
	}
}

void fetchers_end(struct keeper *keeper)
{
	int i;

	for (i = 0; i < KEEPER_FETCHERS_ROOM; i++) {
		if (is_at_work(&keeper->fetcher[i]))
			end(keeper, &keeper->fetcher[i]);
	}
}

void fetchers_forget(struct keeper *keeper, pid_t pid)
{
	int i;

	for (i = 0; i < KEEPER_FETCHERS_ROOM; i++) {
		struct keeper_fetcher *one = &keeper->fetcher[i];

		if (one->pid != pid)
			continue;
		if (!one->is_killed)
			close(one->fd);
		one->pid = 0;
	}
}
