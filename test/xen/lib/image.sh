# shellcheck shell=bash
# image: a dom0's disk from Debian packages, made once a suite, in steps that are each kept:
#   packages.tar   what mmdebstrap makes of the package list
#   vmlinux, xen, dom0.cpio, guest/   kernel, hypervisor and initial RAM disks
#   base.img       the file system that both hosts' disks are overlays of

packages() {
  local list=systemd-sysv,udev,dbus,kmod,iproute2,iputils-ping,openssh-server,openssh-client,busybox-static
  list=$list,socat,ca-certificates,procps,psmisc,less,python3,perl-base,openssl,libstdc++6,strace,tcpdump
  list=$list,xen-system-amd64,xen-hypervisor-$XEN-amd64,xen-utils-$XEN,xen-utils-common,xenstore-utils,$LIBNL
  list=$list,linux-image-amd64,zstd,cpio,corosync,pacemaker,pacemaker-cli-utils,resource-agents,crmsh,pcs,e2fsprogs
  [ "$SUITE" = bookworm ] || list=$list,nodejs
  echo "$list"
}

# The machine's own Debian mirror, for the suite that is wanted.
apt_lines() {
  local own line
  # shellcheck disable=SC1091
  own=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # shellcheck disable=SC2016 # for apt
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 'Origin: Debian' | sort -u |
    while read -r uri release; do
      case $release in
        "$own" | "$own"-updates | "$own"-security) line="deb $uri $SUITE${release#"$own"} main"; echo "$line" ;;
      esac
    done
}

lab_build() {
  local began
  began=$(date +%s)
  need_machine mmdebstrap mke2fs qemu-img cpio zstd python3 gcc ssh-keygen chroot
  need_room "$IMAGE" 6000
  exec 8>"$IMAGE/lock"
  flock -n 8 || { say "another build of $SUITE is running: waiting for it"; flock 8; }
  step packages.tar "$(packages)" build_packages
  step boot "$(cat "$IMAGE/packages.tar.key" "$SDIR"/lib/image.sh "$SDIR"/guest/* | sha256sum)" build_boot
  step base.img "$(cat "$IMAGE/boot.key" "$SDIR"/lib/dom0.sh "$SDIR"/host/* | sha256sum)" build_base
  exec 8>&-
  say "image of $SUITE is ready after $(($(date +%s) - began)) s: $IMAGE"
}

# A step is done again when its key (what it is made from) has changed.
step() { # NAME KEY FUNCTION
  local began
  if [ -e "$IMAGE/$1" ] && [ "$(cat "$IMAGE/$1.key" 2>/dev/null)" = "$2" ]; then return; fi
  rm -rf "${IMAGE:?}/$1.key"
  began=$(date +%s)
  say "$1 ..."
  # In a process of its own, where nothing switches -e off.
  (set -eu; "$3"; echo built) >"$IMAGE/$1.log" 2>&1
  [ "$(tail -1 "$IMAGE/$1.log")" = built ] || die "$1 failed: $(tail -5 "$IMAGE/$1.log") (all of it: $IMAGE/$1.log)"
  echo "$2" >"$IMAGE/$1.key"
  say "$1: $(($(date +%s) - began)) s"
}

build_packages() {
  local lines
  mapfile -t lines < <(apt_lines)
  [ "${#lines[@]}" -gt 0 ] || { echo "no Debian mirror in this machine's apt sources: apt-get update first"; return 1; }
  gently mmdebstrap --variant=minbase --mode=root --include="$(packages)" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --components=main "$SUITE" "$IMAGE/packages.new.tar" "${lines[@]}"
  mv "$IMAGE/packages.new.tar" "$IMAGE/packages.tar"
}

# $IMAGE/boot: xen, vmlinux, dom0.cpio for QEMU; guest/initrd.gz for the VMs.
build_boot() {
  local boot=$IMAGE/boot.new root=$IMAGE/root
  rm -rf "$boot" "$root"
  mkdir -p "$boot/guest" "$root"
  gently tar -C "$root" -xf "$IMAGE/packages.tar"
  KERNEL=$(basename "$(ls -d "$root"/lib/modules/*)")
  python3 "$SDIR/lib/extract-vmlinux.py" "$root/boot/vmlinuz-$KERNEL" "$boot/vmlinux"
  zcat "$root/boot/xen-$XEN-amd64.gz" >"$boot/xen"
  dom0_cpio "$root" "$boot"
  guest_initrd "$root" "$boot/guest"
  rm -rf "${IMAGE:?}/boot"
  mv "$boot" "$IMAGE/boot"
}

# The modules and what they need, in the order of loading; as plain .ko, for busybox's insmod knows no compression.
modules_into() { # ROOT DIR MODULE...
  local root=$1 dir=$2 file name m
  shift 2
  for m in "$@"; do
    chroot "$root" modprobe -S "$KERNEL" --show-depends "$m" 2>/dev/null | awk '$1 == "insmod" {print $2}'
  done | awk '!seen[$0]++' | while read -r file; do
    name=$(basename "$file")
    name=${name%%.ko*}.ko
    case $file in
      *.xz) xz -dc "$root$file" >"$dir/$name" ;;
      *.zst) zstd -dqc "$root$file" >"$dir/$name" ;;
      *) cp "$root$file" "$dir/$name" ;;
    esac
    echo "$name"
  done >"$dir/order"
}

tree_with() { # ROOT TREE: an initial RAM disk's beginning
  rm -rf "$2"
  mkdir -p "$2"/{bin,sbin,dev,proc,sys,mod,newroot}
  cp "$1/bin/busybox" "$2/bin/"
  ln -s busybox "$2/bin/sh"
}

# dom0's initial RAM disk finds /dev/vda.
dom0_cpio() { # ROOT BOOT
  local tree=$2/tree
  tree_with "$1" "$tree"
  modules_into "$1" "$tree/mod" virtio_pci virtio_blk virtio_net crc32c_generic ext4
  cp "$SDIR/host/initrd-init" "$tree/init"
  chmod 755 "$tree/init"
  (cd "$tree" && find . | cpio -o -H newc --quiet) >"$2/dom0.cpio"
  rm -rf "$tree"
}

guest_initrd() { # ROOT DIR
  local tree=$2/tree
  tree_with "$1" "$tree"
  modules_into "$1" "$tree/mod" xen-netfront
  gcc -static -Os -Wall -Wextra -o "$tree/bin/guest" "$SDIR/guest/guest.c"
  cp "$SDIR/guest/init" "$tree/init"
  # What the kernel calls when Xen asks for a shutdown or a reboot.
  printf '#!/bin/sh\nexec /bin/busybox poweroff -f\n' >"$tree/sbin/poweroff"
  printf '#!/bin/sh\nexec /bin/busybox reboot -f\n' >"$tree/sbin/reboot"
  chmod 755 "$tree/init" "$tree"/sbin/*
  (cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1) >"$2/initrd.gz"
  rm -rf "$tree"
}

build_base() {
  local root=$IMAGE/root
  # The tree is made anew: what an earlier customizing left must not stay.
  rm -rf "$root"
  mkdir -p "$root"
  gently tar -C "$root" -xf "$IMAGE/packages.tar"
  dom0_customize "$root"
  rm -f "$IMAGE/base.img"
  truncate -s 4G "$IMAGE/base.new"
  gently mke2fs -q -F -t ext4 -O ^metadata_csum -J size=4 -E lazy_itable_init=1,nodiscard -m 0 -L xenlab \
    -d "$root" "$IMAGE/base.new"
  mv "$IMAGE/base.new" "$IMAGE/base.img"
  rm -rf "$root"
}
