// SPDX-License-Identifier: GPL-2.0
/* The keeper's rights: all of root's until it is set up, then a named few. */
#pragma once

/*
 * Drops every capability but those the keeper needs from then on, from the permitted, effective and
 * inheritable (and so ambient) sets: CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON (maps, programs, links),
 * CAP_SYS_ADMIN (descriptors of maps and programs by id, which adoption and libxdp use),
 * CAP_SETUID, CAP_SETGID, CAP_KILL (children of other users). The bounding set, which only an exec
 * asks, is emptied, and with it that of all children; CAP_SETPCAP, which that takes, is not kept.
 * Errors: negative errno.
 */
int sandbox_caps_keep(void);
