#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Makes the users and groups of sekisho.sysusers; those that are there stay as they are.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
if command -v systemd-sysusers >/dev/null; then
	exec systemd-sysusers "$here/sekisho.sysusers"
fi
for group in sekisho sekisho-view sekisho-fetch; do
	getent group "$group" >/dev/null || groupadd -r "$group"
done
for user in sekisho sekisho-fetch; do
	getent passwd "$user" >/dev/null ||
		useradd --system --gid "$user" --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
done
