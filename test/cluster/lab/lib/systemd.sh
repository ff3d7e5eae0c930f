# shellcheck shell=bash
# systemd: a node whose pid 1 is a real systemd (systemd-nspawn on the node's disk), with its own D-Bus and journal.

systemd_node() { # DIR I
  local u=$1/upper d=$1/upper/etc/systemd/system unit
  : >"$1/systemd"
  mkdir -p "$d" "$u/etc/default" "$u/var/log/journal"
  tr -d - </proc/sys/kernel/random/uuid >"$u/etc/machine-id"
  systemd_target >"$d/remus-lab.target"
  for unit in corosync pacemaker remusd; do
    mkdir -p "$d/$unit.service.d"
    printf '[Service]\nEnvironment=PATH=%s\n' "$NODE_PATH" >"$d/$unit.service.d/remus-lab.conf"
  done
  echo "REMUSD_OPTS=\"--listen 10.77.1.$2\"" >"$u/etc/default/remusd"
  cp /etc/default/pacemaker "$u/etc/default/pacemaker" 2>/dev/null
  printf '%s\n' PCMK_logfacility=none PCMK_panic_action=reboot >>"$u/etc/default/pacemaker"
  tr ' ' '\n' <"$u/etc/remus-lab-pcmk-env" >>"$u/etc/default/pacemaker"
  for unit in systemd-networkd-wait-online systemd-resolved systemd-timesyncd systemd-networkd logd; do
    ln -sf /dev/null "$d/$unit.service"
  done
  systemd_ours "$u"
}

# The product as a package would put it there: made once by its own installer, copied to each node.
systemd_ours() { # UPPER
  if [ ! -d "$LAB/installed" ]; then
    DESTDIR=$LAB/installed "$CLONE/systemd/install" >"$LAB/install.log" 2>&1 || die "systemd/install failed: $(cat "$LAB/install.log")"
    rm -f "$LAB/installed/etc/default/remusd"
  fi
  cp -a "$LAB/installed/." "$1/"
}

systemd_target() {
  local wants='corosync.service remusd.service pacemaker.service'
  [ -n "$OPT_BARE" ] && wants=
  cat <<C
[Unit]
Description=a node of the cluster lab
Requires=basic.target
Wants=dbus.service $wants
After=basic.target
AllowIsolate=yes
C
}

# The overlay is mounted in a namespace of its own, so that a power cut takes it away as well.
systemd_boot() {
  local n=$1 d=$LAB/nodes/$1
  [ -n "$SD1" ] && mkdir -p "$SD1/$PREFIX/$n"
  # shellcheck disable=SC2016
  setsid bash -c 'echo $$ >"$1/cgroup.procs"; [ -z "$2" ] || echo $$ >"$2/cgroup.procs"; echo $$ >"$3/outer.pid"; shift 3; exec "$@"' boot \
    "$CG/$n" "${SD1:+$SD1/$PREFIX/$n}" "$d" unshare --mount \
    bash "$SDIR/node/nspawn" "$n" "$d" "$RACK" "$CLONE" </dev/null >>"$d/console.log" 2>&1 &
}
