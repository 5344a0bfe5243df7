// SPDX-License-Identifier: GPL-2.0
/* link: sys/secret.c */
/* What is taken for a secret, and what is refused without a word of it. */
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

#include "sys/secret.h"

#define LONG_BYTES (SECRET_BYTES - 1)

static char dir[] = "/tmp/test_secret_XXXXXX";
static char path[64];

static int read_secret(const char *name, char secret[SECRET_BYTES], char *why, size_t why_bytes)
{
	int fd = secret_open(name), err = secret_take(fd, secret, why, why_bytes);

	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	return err;
}

static int make_dir(void **state)
{
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key", dir);
	return 0;
}

static int drop_dir(void **state)
{
	(void)unlink(path); /* the last row left it */
	return rmdir(dir);
}

static void put(const char *text, size_t len, mode_t mode)
{
	int fd;

	(void)unlink(path); /* of the row before */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static void texts(void **state)
{
	static const struct {
		const char *name, *text;
		size_t len; /* 0: its own */
		mode_t mode;
		int err;
		const char *want;
	} rows[] = {
		{"plain", "s3cret-key", 0, 0600, 0, "s3cret-key"},
		{"read only", "s3cret-key", 0, 0400, 0, "s3cret-key"},
		{"line end", "s3cret-key\n", 0, 0600, 0, "s3cret-key"},
		{"blanks around", " \ts3cret-key \r\n\n", 0, 0600, 0, "s3cret-key"},
		{"group may read", "s3cret-key", 0, 0640, -EPERM, ""},
		{"others may read", "s3cret-key", 0, 0604, -EPERM, ""},
		{"others may write", "s3cret-key", 0, 0602, -EPERM, ""},
		{"empty", "", 0, 0600, -ENOKEY, ""},
		{"blanks alone", " \n\t\n", 0, 0600, -ENOKEY, ""},
		{"two lines", "s3cret\nkey", 0, 0600, -EBADMSG, ""},
		{"two words", "s3cret key", 0, 0600, -EBADMSG, ""},
		{"a NUL inside", "s3cret\0key", 10, 0600, -EBADMSG, ""},
		{"a NUL behind", "s3cret\0", 7, 0600, -EBADMSG, ""},
		{"not ASCII", "s3cr\xc3\xa9t", 0, 0600, -EBADMSG, ""},
		{"a header more", "s3cret\r\nX-Evil: 1", 0, 0600, -EBADMSG, ""},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char secret[SECRET_BYTES] = "before", why[100] = "";

		put(rows[i].text, rows[i].len ? rows[i].len : strlen(rows[i].text), rows[i].mode);
		if (read_secret(path, secret, why, sizeof(why)) != rows[i].err || strcmp(secret, rows[i].want))
			fail_msg("%s: \"%s\", %s", rows[i].name, secret, why);
		assert_int_equal(!why[0], !rows[i].err);
		assert_null(strstr(why, "s3cr"));
	}
}

static void sizes(void **state)
{
	char text[3 * SECRET_BYTES], secret[SECRET_BYTES], why[100];

	memset(text, 'k', sizeof(text));
	put(text, LONG_BYTES, 0600);
	assert_int_equal(read_secret(path, secret, why, sizeof(why)), 0);
	assert_int_equal(strlen(secret), LONG_BYTES);
	put(text, LONG_BYTES + 1, 0600);
	assert_int_equal(read_secret(path, secret, why, sizeof(why)), -EFBIG);
	assert_string_equal(secret, "");
	put(text, sizeof(text), 0600);
	assert_int_equal(read_secret(path, secret, why, sizeof(why)), -EFBIG);
}

static void no_file(void **state)
{
	char secret[SECRET_BYTES], why[100];

	(void)unlink(path); /* it need not be there */
	assert_int_equal(read_secret(path, secret, why, sizeof(why)), -ENOENT);
	assert_int_equal(read_secret(dir, secret, why, sizeof(why)), -EINVAL);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(read_secret(path, secret, why, sizeof(why)), -EINVAL); /* and does not wait for a writer */
}

/* Of who reads there is nothing to take: no descriptor, and one that was cut short. */
static void nothing_came(void **state)
{
	char secret[SECRET_BYTES] = "before", why[100] = "";
	int ends[2];

	assert_int_equal(secret_take(-1, secret, why, sizeof(why)), -EBADF);
	assert_string_equal(secret, "");
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "short", 5), 5);
	assert_int_equal(close(ends[1]), 0);
	assert_int_equal(secret_take(ends[0], secret, why, sizeof(why)), -EIO);
	assert_string_equal(why, "it could not be handed over");
	assert_int_equal(close(ends[0]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(sizes),
		cmocka_unit_test(no_file),
		cmocka_unit_test(nothing_came),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
