// SPDX-License-Identifier: GPL-2.0
/* Test only: the whole kernel program as if another CPU took the slot at every try, which a test cannot make happen. */
const volatile int limit_tries = 0; /* no constant to the compiler, which would leave out arguments otherwise */

#define LIMIT_TRIES limit_tries
#include "sekisho.bpf.c"
