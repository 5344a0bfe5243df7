// SPDX-License-Identifier: GPL-2.0
/* A ring in the order of time: one that is overwritten counts as all that was lifted by then. */
#include "lifted.h"

void lifted_add(struct lifted *lifted, const struct prefix *prefix, uint64_t now_ns)
{
	size_t at = lifted->n % LIFTED_MAX;

	if (lifted->n >= LIFTED_MAX)
		lifted_add_all(lifted, lifted->time_ns[at]);
	lifted->prefix[at] = *prefix;
	lifted->time_ns[at] = now_ns;
	lifted->n++;
}

void lifted_add_all(struct lifted *lifted, uint64_t now_ns)
{
	if (lifted->all_ns < now_ns)
		lifted->all_ns = now_ns;
}

bool lifted_may_hold(const struct lifted *lifted, const struct prefix *address, uint64_t since_ns)
{
	uint64_t n = lifted->n, last = n > LIFTED_MAX ? n - LIFTED_MAX : 0;

	if (lifted->all_ns && lifted->all_ns >= since_ns)
		return true;
	for (; n > last && lifted->time_ns[(n - 1) % LIFTED_MAX] >= since_ns; n--) {
		if (prefix_covers(&lifted->prefix[(n - 1) % LIFTED_MAX], address))
			return true;
	}
	return false;
}
