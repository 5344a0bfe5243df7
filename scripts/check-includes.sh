#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Checks the layers: every header compiles alone, one outside API a file, nobody includes what its row in the
# design forbids, and the keeper's program names no TLS, HTTP or SQLite library.
set -uo pipefail
build=${1:-build} bad=0
complain() { echo "check-includes: $*" >&2; bad=1; }

while read -r header; do
	gcc -std=gnu11 -D_GNU_SOURCE -Iinclude -iquote user -I"$build/bpf" -fsyntax-only -x c - <<<"#include \"$PWD/$header\"" ||
		complain "$header does not compile alone"
done < <(git ls-files 'include/**/*.h' 'user/**/*.h')

# FILE PATTERN, OWNER: only files that match OWNER may include a header that matches PATTERN.
only() {
	local hits
	hits=$(git grep -nE "^#include [<\"]($1)" -- user | grep -vE "^($2):" || true)
	[[ -z $hits ]] || complain "only $2 may include $1:"$'\n'"$hits"
}
only 'sqlite3\.h' 'user/sys/store[a-z_]*\.[ch]'
only 'curl/' 'user/sys/http[a-z_]*\.[ch]'
only 'netdb\.h' 'user/sys/dial\.c'
only 'microhttpd\.h' 'user/sys/metrics_http\.[ch]'
only 'libmnl/' 'user/sys/netlink\.c'
only 'xdp/' 'user/sys/bpf_attach[a-z_]*\.c'
only 'seccomp\.h' 'user/sys/sandbox_[a-z]*\.[ch]'
only 'sys/capability\.h' 'user/sys/sandbox_[a-z]*\.c'
only '(zlib|lzma|zstd)\.h' 'user/fetch/un[a-z]*\.c'
only 'libsmartcols' 'user/cli/[a-z_]*\.c'
only 'yaml\.h' 'user/lib/config[a-z_]*\.[ch]'
only 'sys/bpf_(load|attach|entries|ban_map|lens|rails)\.h' 'user/(keeper|sys)/[a-z_]*\.[ch]'
hits=$(git grep -nE '^#include ["<](\.\./)*bpf/[a-z_0-9]*\.bpf\.h' -- user || true)
[[ -z $hits ]] || complain "user/ includes the kernel program:"$'\n'"$hits"
hits=$(git grep -nE '^#include "(sys|keeper|engine|fetch|cli)/' -- user/lib || true)
[[ -z $hits ]] || complain "user/lib includes a layer above it:"$'\n'"$hits"

if [[ -x $build/sekishod ]]; then
	hits=$(ldd "$build/sekishod" | grep -E 'libssl|libgnutls|libcurl|libsqlite|microhttpd' || true)
	[[ -z $hits ]] || complain "sekishod links what the keeper may not:"$'\n'"$hits"
fi
[[ $bad -eq 0 ]] && echo "check-includes: all well"
exit "$bad"
