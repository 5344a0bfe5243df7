// SPDX-License-Identifier: GPL-2.0
/* /proc of our parents, read for sshd's variables. */
#include "ssh_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define ENVIRON_MAX_BYTES (1u << 20) /* bytes: half of what the kernel lets a process start with */
#define PARENTS_MAX 32		     /* more than any chain of shells */

/* Source: proc(5), /proc/PID/stat: the parent is the second word behind the name's last parenthesis. */
static pid_t parent_of(pid_t pid)
{
	char path[64], line[512], *name_end;
	pid_t parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	name_end = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	if (!name_end || sscanf(name_end, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

static bool is_ssh_variable(const char *entry, char *ret_address)
{
	return sscanf(entry, "SSH_CONNECTION=%63[0-9a-fA-F:.]", ret_address) == 1 ||
	       sscanf(entry, "SSH_CLIENT=%63[0-9a-fA-F:.]", ret_address) == 1;
}

static bool ssh_of(pid_t pid, char *ret_address)
{
	char path[64], *entry = NULL;
	size_t size = 0, total = 0;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && total < ENVIRON_MAX_BYTES && getdelim(&entry, &size, '\0', file) > 0) {
		total += strlen(entry) + 1;
		found = is_ssh_variable(entry, ret_address);
	}
	free(entry);
	fclose(file);
	return found;
}

bool ssh_source_find(char *ret_address, size_t address_bytes)
{
	char address[64];
	pid_t pid = getpid();
	int depth;

	for (depth = 0; pid > 1 && depth < PARENTS_MAX; depth++, pid = parent_of(pid)) {
		if (!ssh_of(pid, address))
			continue;
		snprintf(ret_address, address_bytes, "%s", address);
		return true;
	}
	return false;
}
