// SPDX-License-Identifier: GPL-2.0
/* Where the person at the keyboard sits, when they came by SSH. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * The source address of the SSH session that this process is in, as text: SSH_CONNECTION or SSH_CLIENT of this
 * process or of the nearest parent that has it, because sudo clears them. False: no such session, or not readable.
 * Source: sshd(8), ENVIRONMENT.
 */
bool ssh_source_find(char *ret_address, size_t address_bytes);
