// SPDX-License-Identifier: GPL-2.0
/* Deeds that a cage refuses or allows, and a child to try them in. The deeds return an errno, 0 where it worked. */
#pragma once

#define CAGE_DIES (-1) /* by SIGSYS */

/*
 * What @deed returns in a child that has first locked itself in by @lock(@arg) (NULL: no cage), or CAGE_DIES; 200 where the cage
 * itself failed. Fails the running cmocka test where the child ends in another way.
 */
int cage_try(int (*deed)(void), int (*lock)(const void *arg), const void *arg);

int cage_exec(void);
int cage_fork(void);
int cage_kill(void); /* asks whether the parent could be signalled */
int cage_ptrace(void);
int cage_map_create(void);
int cage_thread(void);
