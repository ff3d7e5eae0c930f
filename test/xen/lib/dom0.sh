# shellcheck shell=bash
# dom0: what makes a tree of Debian packages a host of the lab.

dom0_customize() { # ROOT
  local root=$1
  dom0_ssh "$root"
  dom0_units "$root"
  dom0_quick "$root"
  dom0_xen "$root"
  dom0_cluster "$root"
  if [ "$SUITE" = bookworm ]; then
    # Debian 12's Node.js is too old: the machine's own, as a user would put one into /usr/local.
    install -m 755 "$(readlink -f "$(command -v node)")" "$root/usr/local/bin/node"
    chroot "$root" /usr/local/bin/node --version
  fi
}

dom0_ssh() { # ROOT
  local root=$1
  [ -e "$CACHE/id_lab" ] || ssh-keygen -q -t ed25519 -N '' -f "$CACHE/id_lab" -C xen-lab
  mkdir -p "$root/root/.ssh" "$root/etc/ssh/sshd_config.d"
  chmod 700 "$root/root/.ssh"
  install -m 600 "$CACHE/id_lab.pub" "$root/root/.ssh/authorized_keys"
  # Between the hosts, for what bare `xl remus` does over ssh.
  install -m 600 "$CACHE/id_lab" "$root/root/.ssh/id_ed25519"
  cat >"$root/root/.ssh/config" <<'C'
Host *
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  Ciphers aes128-ctr
  MACs umac-64@openssh.com
C
  printf '%s\n' 'PermitRootLogin yes' 'UseDNS no' 'UsePAM no' 'SetEnv REMUS_PATIENCE=6' >"$root/etc/ssh/sshd_config.d/xen-lab.conf"
  chroot "$root" ssh-keygen -A
}

dom0_units() { # ROOT
  local root=$1 unit off
  echo '/dev/vda / ext4 noatime 0 0' >"$root/etc/fstab"
  echo xenlab >"$root/etc/hostname"
  echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
  sed -i 's/^root:[^:]*:/root::/' "$root/etc/shadow"
  install -m 755 "$SDIR/host/xenlab-setup" "$root/usr/local/sbin/xenlab-setup"
  mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
  for unit in xenlab xenlab-weight; do
    install -m 644 "$SDIR/host/$unit.service" "$root/etc/systemd/system/$unit.service"
    ln -sf "/etc/systemd/system/$unit.service" "$root/etc/systemd/system/multi-user.target.wants/"
  done
  ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
  # Services that cost seconds under emulation and do nothing for the lab.
  off='systemd-journal-flush systemd-update-utmp systemd-update-utmp-runlevel systemd-timesyncd systemd-logind
    systemd-user-sessions e2scrub_reap systemd-tmpfiles-clean systemd-pstore systemd-binfmt systemd-random-seed
    systemd-sysctl keyboard-setup console-setup networking ifupdown-pre systemd-udev-settle systemd-sysusers
    systemd-tmpfiles-setup-dev systemd-machine-id-commit systemd-firstboot systemd-hwdb-update systemd-boot-update
    systemd-repart systemd-network-generator modprobe@configfs modprobe@fuse modprobe@drm modprobe@efi_pstore
    systemd-networkd systemd-resolved systemd-networkd-wait-online getty@tty1 xendomains pcsd pcsd-ruby logd'
  for unit in $off; do ln -sf /dev/null "$root/etc/systemd/system/$unit.service"; done
  for unit in e2scrub_all.timer apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
    logrotate.timer sys-kernel-debug.mount sys-kernel-tracing.mount dev-mqueue.mount dev-hugepages.mount \
    proc-sys-fs-binfmt_misc.automount; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
}

# Slow emulation: long deadlines of systemd's own; logs in memory.
dom0_quick() { # ROOT
  mkdir -p "$1/etc/systemd/journald.conf.d" "$1/etc/systemd/system.conf.d"
  printf '[Journal]\nStorage=persistent\nSyncIntervalSec=5s\n' >"$1/etc/systemd/journald.conf.d/xen-lab.conf"
  printf '[Manager]\nDefaultTimeoutStartSec=600s\nDefaultTimeoutStopSec=60s\nDefaultDeviceTimeoutSec=600s\n' \
    >"$1/etc/systemd/system.conf.d/xen-lab.conf"
  rm -f "$1"/boot/initrd.img-*
}

dom0_xen() { # ROOT
  mkdir -p "$1/etc/xen/guest"
  printf 'autoballoon="0"\nvif.default.bridge="xenbr0"\n' >"$1/etc/xen/xl.conf"
  cp "$IMAGE/boot/vmlinux" "$IMAGE/boot/guest/initrd.gz" "$1/etc/xen/guest/"
}

# corosync and Pacemaker are there and start with the host once `xen-lab cluster` has configured them.
dom0_cluster() { # ROOT
  local unit
  install -m 755 "$SDIR/host/fence_xenlab" "$1/usr/sbin/fence_xenlab"
  for unit in corosync pacemaker; do
    rm -f "$1/etc/systemd/system/multi-user.target.wants/$unit.service"
  done
  printf '127.0.0.1 localhost\n10.77.0.1 xen1\n10.77.0.2 xen2\n' >"$1/etc/hosts"
  mkdir -p "$1/etc/default"
  printf '%s\n' PCMK_logfacility=none PCMK_panic_action=reboot >>"$1/etc/default/pacemaker"
}
