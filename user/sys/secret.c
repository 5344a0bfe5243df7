// SPDX-License-Identifier: GPL-2.0
/*
 * Opens, judges the file by its descriptor (never by its name again), reads; and in the other
 * process trims. See secret.h.
 */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What goes through the pipe; a pipe takes 4096 bytes at once, pipe(7). */
struct reading {
	int err;	 /* 0, or a negative errno; the words for it are secret_take()'s */
	int is_mode;	 /* of -EPERM: its mode, not its owner */
	int is_refusal;	 /* it was opened */
	int len;
	char text[SECRET_BYTES * 2]; /* a long line's blanks, and the byte too many */
};

_Static_assert(sizeof(struct reading) <= 4096, "fits the pipe whole");

static int refuse(int err, const char *text, char *why, size_t why_bytes)
{
	(void)snprintf(why, why_bytes, "%s", text);
	return err;
}

static int check_file(int fd, struct reading *reading)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	reading->is_mode = st.st_uid == 0 || st.st_uid == geteuid();
	return reading->is_mode && !(st.st_mode & 077) ? 0 : -EPERM;
}

static int read_text(int fd, struct reading *reading)
{
	int len = 0;
	ssize_t n = 1;

	while (n && len < (int)sizeof(reading->text)) {
		n = read(fd, reading->text + len, sizeof(reading->text) - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			len += n;
	}
	reading->len = len;
	return 0;
}

int secret_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), ends[2] = {-1, -1};
	struct reading reading = {.err = fd < 0 ? -errno : 0, .is_refusal = fd >= 0};

	if (!reading.err)
		reading.err = check_file(fd, &reading);
	if (!reading.err)
		reading.err = read_text(fd, &reading);
	if (fd >= 0)
		(void)close(fd); /* it was only read */
	if (pipe2(ends, O_CLOEXEC))
		ends[0] = ends[1] = -1;
	else if (write(ends[1], &reading, sizeof(reading)) != sizeof(reading))
		reading.err = -EIO; /* cannot be: an empty pipe; who takes it finds it cut short */
	explicit_bzero(&reading, sizeof(reading));
	if (ends[1] >= 0)
		(void)close(ends[1]); /* what is in it stays */
	return ends[0];
}

/* Takes what is around the one word in @text away. */
static int trim(char *text, size_t len, char *why, size_t why_bytes)
{
	size_t begin = 0, i;

	while (len && strchr(" \t\r\n", text[len - 1]) && text[len - 1])
		len--;
	while (begin < len && strchr(" \t\r\n", text[begin]) && text[begin])
		begin++;
	if (begin == len)
		return refuse(-ENOKEY, "it is empty", why, why_bytes);
	for (i = begin; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return refuse(-EBADMSG, "it holds more than one word of printable ASCII", why, why_bytes);
	}
	memmove(text, text + begin, len - begin);
	text[len - begin] = '\0';
	return 0;
}

static int explain(const struct reading *reading, char *why, size_t why_bytes)
{
	const char *text = strerror(-reading->err);

	if (reading->err == -EACCES && !reading->is_refusal)
		/* the keeper has given up root's right to open everything */
		text = "Permission denied: root has to own it and its folders, chown root it";
	else if (reading->err == -EINVAL && reading->is_refusal)
		text = "no regular file";
	else if (reading->err == -EPERM && reading->is_refusal)
		text = reading->is_mode ? "others than its owner may open it: chmod 600 it"
					: "it belongs to neither root nor the agent: chown root it";
	return refuse(reading->err, text, why, why_bytes);
}

int secret_take(int fd, char secret[SECRET_BYTES], char *why, size_t why_bytes)
{
	struct reading reading;
	ssize_t n = read(fd, &reading, sizeof(reading));
	int err = n < 0 ? -errno : n != sizeof(reading) ? -EIO : 0;

	secret[0] = '\0';
	if (err)
		return refuse(err, "it could not be handed over", why, why_bytes);
	if (reading.err)
		err = explain(&reading, why, why_bytes);
	else if (reading.len < 0 || reading.len >= (int)sizeof(reading.text))
		err = refuse(-EFBIG, "it is longer than any key", why, why_bytes);
	else
		err = trim(reading.text, reading.len, why, why_bytes);
	if (!err && strlen(reading.text) >= SECRET_BYTES)
		err = refuse(-EFBIG, "it is longer than any key", why, why_bytes);
	if (!err)
		memcpy(secret, reading.text, strlen(reading.text) + 1);
	explicit_bzero(&reading, sizeof(reading));
	return err;
}
