// SPDX-License-Identifier: GPL-2.0
/* The allow list is all or nothing: half of it would block what a person said never to. */
#include "allow.h"

#include <errno.h>
#include <stdlib.h>

int allow_split(const struct prefix *prefixes, size_t n, struct allow *ret_allow)
{
	struct allow allow = { .v4 = calloc(n + 1, sizeof(*allow.v4)),
			       .v6 = calloc(n + 1, sizeof(*allow.v6)) };
	size_t i;

	if (!allow.v4 || !allow.v6) {
		allow_free(&allow);
		return -ENOMEM;
	}
	for (i = 0; i < n; i++) {
		if (prefixes[i].family == 4)
			allow.v4[allow.n4++] = prefix_to4(&prefixes[i]);
		else
			allow.v6[allow.n6++] = prefix_to6(&prefixes[i]);
	}
	*ret_allow = allow;
	return 0;
}

void allow_free(struct allow *allow)
{
	free(allow->v4);
	free(allow->v6);
	*allow = (struct allow){ 0 };
}
