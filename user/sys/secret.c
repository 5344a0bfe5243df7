// SPDX-License-Identifier: GPL-2.0
/*
 * Opens, judges the file by its descriptor (never by its name again), reads, trims. See secret.h.
 */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(int err, const char *text, char *why, size_t why_bytes)
{
	(void)snprintf(why, why_bytes, "%s", text);
	return err;
}

static int check_file(int fd, char *why, size_t why_bytes)
{
	struct stat st;

	if (fstat(fd, &st))
		return refuse(-errno, strerror(errno), why, why_bytes);
	if (!S_ISREG(st.st_mode))
		return refuse(-EINVAL, "no regular file", why, why_bytes);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return refuse(-EPERM, "it belongs to neither root nor the agent: chown root it", why, why_bytes);
	if (st.st_mode & 077)
		return refuse(-EPERM, "others than its owner may open it: chmod 600 it", why, why_bytes);
	return 0;
}

static int read_text(int fd, char *text, size_t bytes, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n && len < bytes) {
		n = read(fd, text + len, bytes - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			len += n;
	}
	*ret_len = len;
	return 0;
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

int secret_read(const char *path, char secret[SECRET_BYTES], char *why, size_t why_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err;
	char text[SECRET_BYTES * 2]; /* a long line's blanks, and the byte too many */
	size_t len = 0;

	secret[0] = '\0';
	if (fd < 0 && errno == EACCES) /* the keeper has given up root's right to open everything */
		return refuse(-EACCES, "Permission denied: root has to own it and its folders, chown root it", why, why_bytes);
	if (fd < 0)
		return refuse(-errno, strerror(errno), why, why_bytes);
	err = check_file(fd, why, why_bytes);
	if (!err) {
		err = read_text(fd, text, sizeof(text) - 1, &len);
		if (err)
			(void)snprintf(why, why_bytes, "%s", strerror(-err));
	}
	(void)close(fd); /* it was only read */
	if (!err && len == sizeof(text) - 1)
		err = refuse(-EFBIG, "it is longer than any key", why, why_bytes);
	if (!err)
		err = trim(text, len, why, why_bytes);
	if (!err && strlen(text) >= SECRET_BYTES)
		err = refuse(-EFBIG, "it is longer than any key", why, why_bytes);
	if (!err)
		memcpy(secret, text, strlen(text) + 1);
	explicit_bzero(text, sizeof(text));
	return err;
}
