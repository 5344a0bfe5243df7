// SPDX-License-Identifier: GPL-2.0
/* Capabilities by libcap. Every right of the keeper is in one table. */
#include "sandbox_caps.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/capability.h>

static const cap_value_t kept[] = {
    CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID, CAP_KILL,
};
#define N_KEPT (sizeof(kept) / sizeof(kept[0]))

static bool is_kept(cap_value_t cap)
{
	size_t i;

	for (i = 0; i < N_KEPT; i++) {
		if (kept[i] == cap)
			return true;
	}
	return false;
}

static int apply(cap_t caps)
{
	if (cap_clear(caps) < 0 || cap_set_flag(caps, CAP_PERMITTED, N_KEPT, kept, CAP_SET) < 0 ||
	    cap_set_flag(caps, CAP_EFFECTIVE, N_KEPT, kept, CAP_SET) < 0 || cap_set_proc(caps) < 0)
		return -errno;
	return 0;
}

int sandbox_caps_keep(void)
{
	cap_value_t cap;
	cap_t caps;
	int err;

	for (cap = 0; cap <= cap_max_bits(); cap++) {
		/* without CAP_SETPCAP; one that is kept anyway may stay in there */
		if (cap_get_bound(cap) == 1 && cap_drop_bound(cap) < 0 && !is_kept(cap))
			return -errno;
	}
	caps = cap_init();
	if (!caps)
		return -ENOMEM;
	err = apply(caps);
	cap_free(caps);
	return err;
}
