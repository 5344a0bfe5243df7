#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs one command under another Debian kernel, in a virtual machine, and returns its exit code.
#   vmtest.sh -k 6.1|6.12 [-b] [-t SECONDS] -- COMMAND [ARG...]
# -b: this machine's systemd boots the guest, and COMMAND is a service of it; no other is started.
# The guest sees this machine's root file system read-only under a tmpfs; nothing it does stays. It is emulated, some
# 30 times slower than its host, and SEKISHO_SLOW=1 in COMMAND's environment says so. Kernels come from
# Debian's packages by name, unpacked into $VMTEST_CACHE (~/.cache/sekisho-vmtest), never installed.
# Exit codes: the command's; 124 time limit; 125 the guest died; 126 the set-up failed.
set -euo pipefail
kernel=6.1 limit=290 boot=
fail() { echo "vmtest: $*" >&2; exit 126; }
while getopts k:t:b option; do
	case $option in
	k) kernel=$OPTARG ;;
	t) limit=$OPTARG ;;
	b) boot=1 ;;
	*) fail "usage: vmtest.sh -k 6.1|6.12 [-b] [-t SECONDS] -- COMMAND..." ;;
	esac
done
shift $((OPTIND - 1))
[[ $# -gt 0 ]] || fail "no command"
case $kernel in
6.1) meta=linux-image-cloud-amd64 ;;
6.12) meta=linux-image-6.12-cloud-amd64 ;;
*) fail "kernel $kernel: 6.1 and 6.12 are known" ;;
esac
cache=${VMTEST_CACHE:-$HOME/.cache/sekisho-vmtest}
tree=$cache/$kernel
mkdir -p "$cache"

fetch_kernel() {
	local package
	package=$(apt-cache depends "$meta" | sed -n 's/^ *Depends: \(linux-image-6.*\)/\1/p' | head -n 1)
	[[ -n $package ]] || fail "apt knows no $meta: apt-get update, then again"
	rm -rf "$tree"; mkdir -p "$tree"
	(cd "$tree" && apt-get -o APT::Sandbox::User=root download -qq "$package" && dpkg -x ./*.deb . && rm ./*.deb) >&2 ||
		fail "cannot fetch $package"
	touch "$tree/.complete"
}
[[ -e $tree/.complete ]] || fetch_kernel
image=$(echo "$tree"/boot/vmlinuz-*) version=${image##*/vmlinuz-}

# The guest's first program: modules, the shared root under an overlay, then the job.
make_initrd() {
	local root
	root=$(mktemp -d "$cache/initrd.XXXXXX")
	mkdir -p "$root"/{bin,dev,proc,sys,host,up,new} "$root/lib/modules/$version"
	cp "$(command -v busybox)" "$root/bin/busybox"
	(cd "$tree/lib/modules/$version" && find kernel -regextype posix-egrep \
		-regex '.*/(virtio|fuse|overlayfs|net|netfilter|ipset|sched|802|llc|ipv4|ipv6|core|lib|crypto|fs)/[^/]*\.ko(\.xz)?' \
		-print0 | cpio -0pdm --quiet "$root/lib/modules/$version"; cp modules.builtin modules.order "$root/lib/modules/$version")
	find "$root" -name '*.ko.xz' -exec xz -d {} +
	busybox depmod -b "$root" "$version" 2>/dev/null
	cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin; export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for m in virtio_pci virtiofs overlay veth; do modprobe $m 2>/dev/null; done
mount -t virtiofs host /host && mount -t tmpfs up /up && mkdir /up/u /up/w &&
	mount -t overlay -o lowerdir=/host,upperdir=/up/u,workdir=/up/w root /new || poweroff -f
for d in proc sys dev; do mount --bind /$d /new/$d; done
mount -t tmpfs run /new/run; mount -t bpf bpf /new/sys/fs/bpf
mkdir -p "/new$RUN"; mount --bind "/host$RUN" "/new$RUN" || poweroff -f
ifconfig lo 127.0.0.1 up
if [ -n "$BOOT" ]; then
	mkdir -p /new/run/systemd/system
	cat >/new/run/systemd/system/vmtest.service <<-UNIT
		[Unit]
		DefaultDependencies=no
		[Service]
		ExecStart=/bin/bash -c "/bin/bash $RUN/job </dev/null >/dev/ttyS1 2>&1; echo \$\$? >$RUN/code; sync; systemctl poweroff -ff"
	UNIT
	umount /proc /sys /dev
	exec switch_root /new /lib/systemd/systemd --unit=vmtest.service
fi
chroot /new /bin/bash "$RUN/job" </dev/null >/dev/ttyS1 2>&1
echo $? >"/host$RUN/code"; sync; poweroff -f
INIT
	chmod +x "$root/init"
	(cd "$root" && find . -print0 | cpio -0o -H newc --quiet | gzip -1) >"$initrd.new"
	mv "$initrd.new" "$initrd"; rm -rf "$root"
}
initrd=$cache/initrd-$version-$(md5sum <"$0" | cut -c1-8).gz
[[ -e $initrd ]] || make_initrd

run=$(mktemp -d "$cache/run.XXXXXX") fs=
trap '[[ -z $fs ]] || kill "$fs" 2>/dev/null || true; rm -rf "$run"' EXIT
{ printf 'export HOME=/root SEKISHO_SLOW=1 PATH=%q\ncd %q\n' "$PATH" "$PWD"; printf '%q ' "$@"; echo; } >"$run/job"
/usr/lib/qemu/virtiofsd --socket-path="$run/fs" -o source=/ -o sandbox=chroot -o cache=always >"$run/fs.log" 2>&1 &
fs=$!
for _ in {1..100}; do [[ ! -S $run/fs ]] || break; sleep 0.05; done
[[ -S $run/fs ]] || { cat "$run/fs.log" >&2; fail "virtiofsd did not start"; }
code=0 SECONDS=0
timeout -k 5 "$limit" qemu-system-x86_64 -machine q35,memory-backend=mem -accel tcg -cpu max,la57=off -smp 2 -m 2048 \
	-object memory-backend-memfd,id=mem,size=2048M,share=on -nodefaults -no-user-config -display none -no-reboot \
	-kernel "$image" -initrd "$initrd" -append "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check mitigations=off rcupdate.rcu_expedited=1 RUN=$run BOOT=$boot" \
	-chardev socket,id=fs,path="$run/fs" -device vhost-user-fs-pci,chardev=fs,tag=host \
	-serial file:"$run/console" -serial stdio </dev/null || code=$?
[[ $code -ne 124 && ! ($code -eq 137 && $SECONDS -ge $limit) ]] || { echo "vmtest: over $limit s" >&2; exit 124; }
[[ -s $run/code ]] || { tail -n 25 "$run/console" >&2; echo "vmtest: the guest died (qemu: $code)" >&2; exit 125; }
exit "$(cat "$run/code")"
