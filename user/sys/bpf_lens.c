// SPDX-License-Identifier: GPL-2.0
/* Lists of prefix lengths under the eyes of the program. See bpf_lens.h. */
#include "bpf_lens.h"

/*
 * Where @len goes: lengths from *ret_at to before *ret_end move up by one, over one that is not in
 * use or the end. False where there is no such place behind: moving down would hide a length from
 * packets on their way.
 */
static bool find_place(const struct bpf_lens *list, unsigned len, unsigned *ret_at,
		       unsigned *ret_end)
{
	unsigned at = 0, end;

	while (at < *list->n && list->lens[at] > len)
		at++;
	if (at && !list->used[list->lens[at - 1]] && (at == *list->n || list->lens[at] != len))
		at--;
	for (end = at; end < *list->n && list->lens[end] != len && list->used[list->lens[end]];
	     end++)
		;
	*ret_at = at;
	*ret_end = end;
	return end < list->max;
}

bool bpf_lens_has_room(const struct bpf_lens *list, unsigned len)
{
	unsigned at, end;

	return list->used[len] || find_place(list, len, &at, &end);
}

void bpf_lens_publish(const struct bpf_lens *list, unsigned len)
{
	unsigned at, end, n = *list->n;

	if (list->used[len] && find_place(list, len, &at, &end)) {
		n = end == n ? n + 1 : n;
		for (; end > at; end--)
			__atomic_store_n(&list->lens[end], list->lens[end - 1], __ATOMIC_SEQ_CST);
		__atomic_store_n(&list->lens[at], len, __ATOMIC_SEQ_CST);
	}
	while (n && !list->used[list->lens[n - 1]])
		__atomic_store_n(&list->lens[--n], 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(list->n, n, __ATOMIC_SEQ_CST);
}
