// SPDX-License-Identifier: GPL-2.0
/*
 * One process an update: the keeper writes the job from its own config, so that the engine cannot
 * ask for another URL or file, and hands the engine the other end of the fetcher's channel.
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fetch_msg.h"
#include "lib/policy.h"
#include "sys/channel.h"
#include "sys/log.h"
#include "sys/spawn.h"

#define FETCH_BODY_MAX_BYTES (256ull << 20) /* bytes: 10 M lines of IPv4 take about 150 MB */
#define FETCH_TOTAL_S 300                   /* seconds: 256 MiB at a megabyte a second */
#define FETCH_PARSE_S 30                    /* seconds more, to parse the longest list */

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

static void fill_job(const struct config_feed *feed, const struct role_msg *msg,
		     struct fetch_job *job)
{
	memset(job, 0, sizeof(*job));
	job->magic = FETCH_MAGIC;
	job->format = feed->format;
	job->options = feed->options;
	job->is_file = feed->path != NULL;
	job->max_entries = feed->max_entries;
	job->max_body_bytes = FETCH_BODY_MAX_BYTES;
	job->total_timeout_s = FETCH_TOTAL_S;
	snprintf(job->name, sizeof(job->name), "%s", feed->name);
	snprintf(job->url, sizeof(job->url), "%s", feed->url ? feed->url : feed->path);
	job->may_be_private = feed->url && names_private(feed->url);
	if (!job->is_file) {
		snprintf(job->etag, sizeof(job->etag), "%.*s", (int)sizeof(job->etag) - 1,
			 msg->body.fetch.etag);
		snprintf(job->last_modified, sizeof(job->last_modified), "%.*s",
			 (int)sizeof(job->last_modified) - 1, msg->body.fetch.last_modified);
	}
	snprintf(job->user_agent, sizeof(job->user_agent), "sekisho/%s", SEKISHO_VERSION);
	if (feed->ca_file)
		snprintf(job->ca_file, sizeof(job->ca_file), "%s", feed->ca_file);
}

/* A list file is opened here, because the fetcher may open nothing. */
static int open_list(const char *path, int *ret_fd)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	*ret_fd = fd;
	return 0;
}

static struct keeper_fetcher *free_place(struct keeper *keeper)
{
	int i;

	for (i = 0; i < KEEPER_FETCHERS_MAX; i++) {
		if (!keeper->fetcher[i].pid)
			return &keeper->fetcher[i];
	}
	return NULL;
}

static int start(struct keeper *keeper, const struct fetch_job *job, int file_fd, pid_t *pid,
		 int *ret_fd)
{
	char path[KEEPER_PATH_BYTES + 32];
	char *argv[] = {path, NULL};
	int pair[2], fds[2], err;

	snprintf(path, sizeof(path), "%s/sekisho-fetch", keeper->helpers);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	fds[0] = pair[1];
	fds[1] = file_fd;
	err = channel_send(pair[0], job, sizeof(*job), NULL, 0);
	if (!err)
		err = spawn_child(argv, keeper->fetch_uid, keeper->fetch_gid, fds,
				  file_fd >= 0 ? 2 : 1, pid);
	close(pair[1]);
	if (err) {
		*pid = 0;
		close(pair[0]);
		return err;
	}
	*ret_fd = pair[0];
	return 0;
}

/*
 * Ends the fetchers that nobody waits for: of a config that is no more, or of an engine that died. A server that does
 * not answer would keep each for its whole time limit, and with it a place.
 */
static void end_forgotten(struct keeper *keeper)
{
	int i;

	for (i = 0; i < KEEPER_FETCHERS_MAX; i++) {
		struct keeper_fetcher *one = &keeper->fetcher[i];

		if (!one->pid || (one->life == keeper->engine_life && one->epoch == keeper->current.epoch))
			continue;
		if (!kill(one->pid, SIGKILL))
			(void)waitpid(one->pid, NULL, 0); /* frees the place now; SIGCHLD finds nothing then */
		one->pid = 0;
	}
}

int fetchers_spawn(struct keeper *keeper, const struct fetch_job *job, int file_fd, int *ret_fd)
{
	struct keeper_fetcher *place;
	int err;

	end_forgotten(keeper);
	place = free_place(keeper);
	if (!place)
		return -EAGAIN;
	place->life = keeper->engine_life;
	place->epoch = keeper->current.epoch;
	err = start(keeper, job, file_fd, &place->pid, ret_fd);
	if (!err)
		place->started_ms = uv_now(&keeper->loop);
	return err;
}

int fetchers_start(struct keeper *keeper, const struct role_msg *msg, int *ret_fd)
{
	const struct config *config = keeper->current.config;
	struct fetch_job job;
	int file_fd = -1, err;

	if (msg->body.fetch.config_epoch != keeper->current.epoch)
		return -ESTALE;
	if (msg->body.fetch.feed >= config->n_feeds)
		return -EINVAL;
	fill_job(&config->feeds[msg->body.fetch.feed], msg, &job);
	if (job.is_file) {
		err = open_list(config->feeds[msg->body.fetch.feed].path, &file_fd);
		if (err)
			return err;
	}
	err = fetchers_spawn(keeper, &job, file_fd, ret_fd);
	if (file_fd >= 0)
		close(file_fd);
	return err;
}

void fetchers_tick(struct keeper *keeper, uint64_t now_ms)
{
	int i;

	for (i = 0; i < KEEPER_FETCHERS_MAX; i++) {
		struct keeper_fetcher *one = &keeper->fetcher[i];

		if (!one->pid ||
		    now_ms - one->started_ms < (FETCH_TOTAL_S + FETCH_PARSE_S) * 1000ull)
			continue;
		log_line(
		    LOG_ERR,
		    "fetch: a fetcher is over its %d seconds: it is killed; the last good list stays",
		    FETCH_TOTAL_S + FETCH_PARSE_S);
		kill(one->pid, SIGKILL);
	}
}

void fetchers_end(struct keeper *keeper)
{
	int i;

	for (i = 0; i < KEEPER_FETCHERS_MAX; i++) {
		if (keeper->fetcher[i].pid)
			kill(keeper->fetcher[i].pid, SIGKILL);
	}
}

void fetchers_forget(struct keeper *keeper, pid_t pid)
{
	int i;

	for (i = 0; i < KEEPER_FETCHERS_MAX; i++) {
		if (keeper->fetcher[i].pid == pid)
			keeper->fetcher[i].pid = 0;
	}
}
