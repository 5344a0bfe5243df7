// SPDX-License-Identifier: GPL-2.0
/* Lists from a fetcher's memfd to the disk, and from there into memory. See lists.h. */
#include "lists.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/policy.h"
#include "sys/channel.h"
#include "sys/file.h"

static const char *const suffixes[] = { [LISTS_GOOD] = "list", [LISTS_HELD] = "held" };

static void path_of(const char *state_dir, const char *name, const char *suffix, char *path)
{
	snprintf(path, LISTS_PATH_BYTES, "%s/lists/%s.%s", state_dir, name, suffix);
}

void lists_unmap(struct engine_list *list)
{
	if (list->data)
		munmap(list->data, list->bytes);
	memset(list, 0, sizeof(*list));
}

uint64_t lists_prefixes(const struct engine_list *list)
{
	return list->data ? (uint64_t)list->view.head->n4 + list->view.head->n6 : 0;
}

void lists_rest(const struct engine_list *list)
{
	if (list->data)
		/* advice; a mapping of a file loses nothing by it */
		(void)madvise(list->data, list->bytes, MADV_DONTNEED);
}

static int map_list(int fd, size_t bytes, struct engine_list *ret_list, const char **ret_why)
{
	struct engine_list list = { .bytes = bytes };
	struct policy_list policy = { .id = 0 };

	*ret_why = "it cannot be mapped";
	list.data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (list.data == MAP_FAILED)
		return -errno;
	if (list_file_check(list.data, bytes, &list.view, ret_why)) {
		munmap(list.data, bytes);
		return -EBADMSG;
	}
	policy = (struct policy_list){.v4 = list.view.v4,
				      .n4 = list.view.head->n4,
				      .v6 = list.view.v6,
				      .n6 = list.view.head->n6};
	list.coverage4 = policy_coverage(&policy, 4);
	list.coverage6 = policy_coverage(&policy, 6);
	*ret_list = list;
	return 0;
}

int lists_load(const char *state_dir, const char *name, enum lists_kind kind,
	       struct engine_list *ret_list, const char **ret_why)
{
	char path[LISTS_PATH_BYTES];
	struct stat st;
	int fd, err;

	path_of(state_dir, name, suffixes[kind], path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	*ret_why = "it cannot be opened";
	if (fd < 0)
		return -errno;
	*ret_why = "it is empty";
	err = fstat(fd, &st) ? -errno : st.st_size ? 0 : -EBADMSG;
	if (!err)
		err = map_list(fd, st.st_size, ret_list, ret_why);
	close(fd);
	return err;
}

static int write_whole(int fd, const char *data, size_t len)
{
	int err = file_write(fd, data, len);

	return err ? err : fsync(fd) ? -errno : 0;
}

/* The folder's own entry: a rename is on disk only then. */
static int sync_folder(const char *state_dir)
{
	char path[LISTS_PATH_BYTES];
	int fd, err;

	snprintf(path, sizeof(path), "%s/lists", state_dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fsync(fd) ? -errno : 0;
	close(fd);
	return err;
}

/* Maps @fd, which holds what @list does: it was checked there, and cannot have changed since. */
static int map_same(int fd, const struct engine_list *list, struct engine_list *ret_list)
{
	char *data = mmap(NULL, list->bytes, PROT_READ, MAP_SHARED, fd, 0);

	if (data == MAP_FAILED)
		return -errno;
	lists_at(list, data, ret_list);
	return 0;
}

/*
 * Writes @list beside the old one; maps the file instead of the memfd, whose memory is then given
 * back.
 */
static int store_list(struct lists_job *job, struct engine_list *list)
{
	char new_suffix[40];
	struct engine_list stored;
	int fd, err;

	snprintf(new_suffix, sizeof(new_suffix), "new-%llu", (unsigned long long)job->serial);
	path_of(job->state_dir, job->name, new_suffix, job->new_path);
	fd = open(job->new_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = write_whole(fd, list->data, list->bytes);
	if (!err)
		err = map_same(fd, list, &stored);
	close(fd);
	if (err)
		return err; /* lists_job_free() removes what is there of it */
	lists_unmap(list);
	*list = stored;
	return 0;
}

/* Does it name a server that a feed comes from? */
static bool names_server(const struct engine_list *list, const struct prefix *servers, size_t n,
			 char *why, size_t why_bytes)
{
	char server[PREFIX_TEXT_BYTES], text[PREFIX_TEXT_BYTES];
	struct prefix found;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!lists_find(list, &servers[i], &found))
			continue;
		snprintf(why, why_bytes, "%s holds the server %s that a feed comes from: its updates would be dropped", prefix_format(&found, text),
			 prefix_format(&servers[i], server));
		return true;
	}
	return false;
}

bool lists_pass(const struct engine_list *list, const struct feed_guard *guard, uint64_t before,
		const struct prefix *servers, size_t n_servers, char *why, size_t why_bytes)
{
	const struct list_head *head = list->view.head;
	const struct feed_guard_facts facts = {
		.before = before,
		.now = lists_prefixes(list),
		.entries = head->entries4 + head->entries6,
		.errors = head->errors,
		.coverage4 = list->coverage4,
		.coverage6 = list->coverage6,
	};

	return feed_guard_passes(guard, &facts, why, why_bytes) &&
	       !names_server(list, servers, n_servers, why, why_bytes);
}

static enum lists_outcome judge(struct lists_job *job, const struct engine_list *list)
{
	bool is_good = lists_pass(list, &job->guard, job->prefixes_before, job->servers,
				  job->n_servers, job->why, sizeof(job->why));

	return is_good ? LISTS_TAKEN : LISTS_PUT_ASIDE;
}

static void work(uv_work_t *request)
{
	struct lists_job *job = request->data;
	const char *why = "it is not sealed";
	struct engine_list list;
	size_t bytes;
	int err;

	job->outcome = LISTS_REFUSED;
	if (channel_check_sealed(job->fd, &bytes) || map_list(job->fd, bytes, &list, &why)) {
		snprintf(job->why, sizeof(job->why), "the fetcher's list is refused: %s", why);
		return;
	}
	job->outcome = judge(job, &list);
	err = store_list(job, &list);
	if (err) {
		job->outcome = LISTS_REFUSED;
		snprintf(job->why, sizeof(job->why), "the list cannot be stored: %s", strerror(-err));
	}
	if (job->outcome == LISTS_REFUSED)
		lists_unmap(&list);
	else
		job->list = list;
}

static void after_work(uv_work_t *request, int status)
{
	struct lists_job *job = request->data;

	job->done(job);
}

int lists_job_start(uv_loop_t *loop, struct lists_job *job)
{
	job->work.data = job;
	return uv_queue_work(loop, &job->work, work, after_work);
}

int lists_job_keep(struct lists_job *job)
{
	char path[LISTS_PATH_BYTES];

	path_of(job->state_dir, job->name,
		suffixes[job->outcome == LISTS_TAKEN ? LISTS_GOOD : LISTS_HELD], path);
	if (rename(job->new_path, path))
		return -errno;
	job->new_path[0] = '\0';
	job->is_kept = true;
	return 0;
}

static void sync_work(uv_work_t *request)
{
	struct lists_job *job = request->data;

	/* after a power cut the old list would be there: a good one too */
	(void)sync_folder(job->state_dir);
}

static void after_sync(uv_work_t *request, int status)
{
	free(request->data);
}

void lists_job_free(struct lists_job *job)
{
	lists_unmap(&job->list);
	close(job->fd);
	if (job->new_path[0])
		(void)unlink(job->new_path); /* else lists_clean() does, at the next start */
	if (!job->is_kept || uv_queue_work(job->work.loop, &job->work, sync_work, after_sync))
		free(job);
}

int lists_accept(const char *state_dir, const char *name)
{
	char held[LISTS_PATH_BYTES], good[LISTS_PATH_BYTES];

	path_of(state_dir, name, suffixes[LISTS_HELD], held);
	path_of(state_dir, name, suffixes[LISTS_GOOD], good);
	if (rename(held, good))
		return -errno;
	(void)sync_folder(state_dir); /* after a power cut it would be held again: nothing lost */
	return 0;
}

void lists_drop_held(const char *state_dir, const char *name)
{
	char path[LISTS_PATH_BYTES];

	path_of(state_dir, name, suffixes[LISTS_HELD], path);
	(void)unlink(path); /* mostly there is none */
}

void lists_remove(const char *state_dir, const char *name)
{
	char path[LISTS_PATH_BYTES];

	lists_drop_held(state_dir, name);
	path_of(state_dir, name, suffixes[LISTS_GOOD], path);
	(void)unlink(path); /* nobody reads it any more */
	path_of(state_dir, name, "since", path);
	(void)unlink(path); /* since.h */
}

/* Calls @fn with every name in the folder and what stands behind its last dot. */
static void each_file(const char *state_dir,
		      void (*fn)(int folder, const char *name, const char *dot, void *arg),
		      void *arg)
{
	char path[LISTS_PATH_BYTES];
	struct dirent *entry;
	const char *dot;
	DIR *folder;

	snprintf(path, sizeof(path), "%s/lists", state_dir);
	folder = opendir(path);
	while (folder && (entry = readdir(folder))) {
		dot = strrchr(entry->d_name, '.');
		if (dot)
			fn(dirfd(folder), entry->d_name, dot, arg);
	}
	if (folder)
		closedir(folder);
}

static void remove_new(int folder, const char *name, const char *dot, void *arg)
{
	if (!strncmp(dot, ".new", 4))
		(void)unlinkat(folder, name, 0); /* tried again at the next start */
}

void lists_clean(const char *state_dir)
{
	each_file(state_dir, remove_new, NULL);
}

struct known {
	bool (*is_known)(void *arg, const char *name);
	void *arg;
};

static void remove_stranger(int folder, const char *name, const char *dot, void *arg)
{
	const struct known *known = arg;
	char feed[CONFIG_FEED_NAME_BYTES];

	if ((strcmp(dot, ".held") && strcmp(dot, ".list") && strcmp(dot, ".since")) ||
	    (size_t)(dot - name) >= sizeof(feed))
		return;
	snprintf(feed, sizeof(feed), "%.*s", (int)(dot - name), name);
	if (!known->is_known(known->arg, feed))
		(void)unlinkat(folder, name, 0); /* tried again with the next config */
}

void lists_drop_strangers(const char *state_dir, bool (*is_known)(void *arg, const char *name),
			  void *arg)
{
	struct known known = { is_known, arg };

	each_file(state_dir, remove_stranger, &known);
}
