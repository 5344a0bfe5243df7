// SPDX-License-Identifier: GPL-2.0
/*
 * Any bytes as resolv.conf: each server told stands in them, and what stands before it hides no
 * server.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/resolv.h"
#include "told.h"

struct told {
	const char *text;
	size_t len;
	struct sek_rail_key last;
	FILE *file; /* of told.h */
};

static void take(void *context, const struct sek_rail_key *server)
{
	struct told *told = context;
	char text[INET6_ADDRSTRLEN];

	if (server->family != 4 && server->family != 6)
		abort();
	if (server->family == 4 && (!inet_ntop(AF_INET, server->addr_be, text, sizeof(text)) ||
				    !memmem(told->text, told->len, text, strlen(text))))
		abort();
	if (!memmem(told->text, told->len, "nameserver", 10))
		abort();
	told->last = *server;
	if (told->file)
		told_hex(told->file, "server", server->addr_be, server->family == 4 ? 4 : 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char line[] = "\nnameserver 192.0.2.77";
	static const uint8_t addr_be[16] = { 192, 0, 2, 77 };
	struct told told = { .len = size + sizeof(line) - 1, .file = told_begin(size) };
	char *text = malloc(told.len);

	if (!text)
		abort();
	memcpy(text, data, size);
	memcpy(text + size, line, sizeof(line) - 1);
	told.text = text;
	resolv_servers(text, size, take, &told);
	told.file = NULL;
	memset(&told.last, 0, sizeof(told.last));
	resolv_servers(text, told.len, take, &told);
	if (told.last.family != 4 || memcmp(told.last.addr_be, addr_be, sizeof(addr_be)))
		abort();
	free(text);
	return 0;
}
