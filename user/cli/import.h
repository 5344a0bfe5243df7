// SPDX-License-Identifier: GPL-2.0
/*
 * Lines of `block import` and `allow import` into entries for the agent. import.c applies a file's
 * as a whole or not at all, import_stream.c a pipe's as they come.
 */
#pragma once

#include "cli.h"

#define IMPORT_BLANKS " \t\r\n" /* between the words of a line */

struct import {
	struct cli *cli;
	const struct cli_command *command;
	const char *origin; /* where the line names none */
	json_int_t for_s;   /* as above */
	bool force;
	json_int_t added;     /* entries the agent has put in force */
	json_int_t rejected;  /* lines it or we did not take */
	json_int_t host_bits; /* of those added: host bits were cleared */
};

/*
 * The entry of @line, which is changed, as the agent wants it; NULL: a blank line or a comment, or
 * a bad one, which was named as line
 * @number on stderr and counted as rejected.
 */
json_t *import_entry(struct import *import, char *line, size_t len, unsigned number);

/* Names line @number, escaped, and counts it. */
void import_reject(struct import *import, unsigned number, const char *why);

/* Names the entries of a batch that the agent refused; entry i stood in line @lines[i]. */
void import_rejected(struct import *import, const json_t *data, const unsigned *lines, size_t n);

/* Tells people how many entries are in force, and of how many host bits were cleared. */
void import_show_added(const struct import *import);

/* The request for @entries, which it takes; NULL after saying why not. */
json_t *import_request(struct import *import, json_t *entries);

/* Applies what comes in @fd batch by batch until its end, and says so. Returns an exit status. */
int import_stream(struct import *import, int fd);
