// SPDX-License-Identifier: GPL-2.0
/* What a target makes of an input, told to whoever compares it with a slow reference (agree.py). */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Begins what is told of an input of @size bytes. Returns the file that the environment's FUZZ_TOLD
 * names, to write lines to; NULL where it is unset: nobody asks. Ends the target where it cannot
 * be written.
 */
FILE *told_begin(size_t size);

/* Writes @word and @len bytes at @data in hex as one line. */
void told_hex(FILE *file, const char *word, const void *data, size_t len);
