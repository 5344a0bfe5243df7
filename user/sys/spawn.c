// SPDX-License-Identifier: GPL-2.0
/* fork and exec with rights given up in between; between the two only async-signal-safe calls. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPAWN_FDS_MAX 8
#define SPAWN_HIGH_FD 64 /* where descriptors are parked, above any target number */

static void place_fds(const int *fds, unsigned n_fds)
{
	int high[SPAWN_FDS_MAX];
	unsigned i;

	for (i = 0; i < n_fds; i++) {
		high[i] = fcntl(fds[i], F_DUPFD, SPAWN_HIGH_FD);
		if (high[i] < 0)
			_exit(127);
	}
	for (i = 0; i < n_fds; i++) {
		if (dup2(high[i], 3 + i) < 0)
			_exit(127);
	}
	if (syscall(SYS_close_range, 3 + n_fds, ~0u, 0) < 0)
		_exit(127);
}

/*
 * A file that everybody may read, in folders that only root may enter, such as its home: by no link
 * on the way, since who owns a folder could point one at what is nobody's business. It may take for
 * ever: nothing of our parent is open here.
 */
int spawn_open_public(const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & S_IROTH))
		return -1; /* exec closes it */
	return fd;
}

static void add_file(const struct spawn_file *file, int target)
{
	int fd = file->open(file->path), high;

	if (fd < 0)
		return;
	high = fcntl(fd, F_DUPFD_CLOEXEC, SPAWN_HIGH_FD);
	if (high < 0 || dup2(high, target) < 0)
		_exit(127);
}

/* Alone: no signal of our parent's terminal, and gone when it is. */
static void stand_alone(pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0); /* Ctrl-C is for the keeper alone */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(127); /* it died before the line above */
}

/* The program is opened while we are still root: the new user need not be able to walk to it (a
 * build in a home folder). */
static void become(char *const argv[], char *const env[], uid_t uid, gid_t gid, pid_t parent)
{
	int program = open(argv[0], O_PATH | O_CLOEXEC);

	if (program < 0)
		_exit(127);
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		_exit(127);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    getppid() != parent)
		_exit(127); /* set again: another user clears it, prctl(2) */
	syscall(SYS_execveat, program, "", argv, env, AT_EMPTY_PATH);
	_exit(127);
}

/*
 * All that a child needs of our environment: whether stderr is the journal's. Ours may hold tokens
 * of whoever started us, loader settings, and systemd's socket.
 */
static char *journal_stream(void)
{
	static const char name[] = "JOURNAL_STREAM=";
	char **one;

	for (one = environ; one && *one; one++) {
		if (!strncmp(*one, name, sizeof(name) - 1))
			return *one;
	}
	return NULL;
}

int spawn_child(char *const argv[], uid_t uid, gid_t gid, const int *fds, unsigned n_fds,
		const struct spawn_file *file, pid_t *ret_pid)
{
	char *const env[] = {journal_stream(), NULL};
	pid_t parent = getpid(), pid;

	if (n_fds > SPAWN_FDS_MAX)
		return -EINVAL;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		stand_alone(parent);
		place_fds(fds, n_fds);
		if (file)
			add_file(file, 3 + n_fds);
		become(argv, env, uid, gid, parent);
	}
	*ret_pid = pid;
	return 0;
}
