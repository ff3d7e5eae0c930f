# shellcheck shell=bash disable=SC2034 # names for the other parts
# base: names, messages, the lab's life: up, down, status.

PREFIX=${REMUS_LAB_CGROUP:-remus-lab}
SWITCH=rlsw
LAN=rlcli
# A lab that is up has mounted its own part once more; the order of the list follows mount ids, which are used again.
CG_ROOT=$(findmnt -rn -o TARGET -t cgroup2 | grep -v '/rack/cg$' | head -1)
CG=$CG_ROOT/$PREFIX
# A machine with both cgroup versions has systemd's own hierarchy beside; systemd nodes need a place there.
SD1=$(findmnt -n -o TARGET -t cgroup | grep '/systemd$' | head -1)

die() { echo "lab: $*" >&2; exit 1; }
ev() { echo "$(date +%s.%N) $*" >>"$RACK/events.log"; }
nodes() { [ -d "$RACK/nodes" ] && ls "$RACK/nodes"; }
num() { echo "${1#pm}"; }
populated() { grep -qs '^populated 1' "$CG/$1/cgroup.events"; }
lab_alive() { grep -qs '^populated 1' "$CG/cgroup.events"; }

need_up() {
  [ -e "$RACK/up" ] || die "no lab is up: lab up 2 starts one"
}
need_node() {
  [ -n "${1:-}" ] || die "which node? one of: $(nodes | tr '\n' ' ')"
  [ -e "$RACK/nodes/$1" ] || die "no node $1; there are: $(nodes | tr '\n' ' ')"
}

need_machine() {
  local tool missing=
  [ "$(id -u)" = 0 ] || die "this needs root"
  [ -n "$CG_ROOT" ] || die "no cgroup2 is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified"
  for tool in corosync pacemakerd crm nsenter unshare ip setsid findmnt; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
  done
  [ -z "$missing" ] || die "missing programs:$missing (apt-get install pacemaker corosync crmsh iproute2 util-linux)"
}

lab_options() { # sets N and OPT_*
  N='' OPT_BARE='' OPT_SYSTEMD='' OPT_PFD='' OPT_FENCE_BOOT=0 OPT_STONITH_TIMEOUT=20s OPT_REPLACE=''
  while [ $# -gt 0 ]; do
    case $1 in
      --bare) OPT_BARE=1 ;;
      --systemd) OPT_SYSTEMD=1 ;;
      --replace) OPT_REPLACE=1 ;;
      --priority-fencing-delay) OPT_PFD=${2:?}; shift ;;
      --fence-boot) OPT_FENCE_BOOT=${2:?}; shift ;;
      --stonith-timeout) OPT_STONITH_TIMEOUT=${2:?}; shift ;;
      [1-9]) N=$1 ;;
      *) die "up: what is '$1'? (lab help)" ;;
    esac
    shift
  done
  [ -n "$N" ] || die "how many nodes? lab up 2"
}

lab_up() {
  local i
  lab_options "$@"
  need_machine
  if lab_alive && [ -z "$OPT_REPLACE" ]; then
    die "a lab is up already ($(nodes | tr '\n' ' ')in $LAB): $SELF down takes it down"
  fi
  lab_sweep # what a dead lab may have left
  mkdir "$CG" || die "another lab is coming up just now: $SELF status"
  mkdir "$CG/host"
  echo $$ >"$CG/host/cgroup.procs" # from here on the lab counts as alive, and `lab down` ends this too
  mkdir -p "$LAB"
  mount -t tmpfs -o mode=755 "$PREFIX" "$LAB" || die "cannot mount a tmpfs on $LAB"
  mkdir -p "$RACK/nodes" "$RACK/cg" "$RACK/net" "$LAB/nodes"
  mount --bind "$CG" "$RACK/cg" # the fence agent's way to the nodes' power
  echo "$OPT_FENCE_BOOT" >"$RACK/fence-boot"
  ev up "$@"
  switch_make
  cluster_files "$N"
  mkfifo -m 600 "$RACK/power.fifo"
  for i in $(seq 1 "$N"); do node_make "$i"; done
  : >"$RACK/up"
  setsid "$SELF" powerd </dev/null >>"$LAB/powerd.log" 2>&1 &
  for i in $(seq 1 "$N"); do node_boot "pm$i"; done
  ev booted
}

# The rack's power controller: lines "on NODE" from the fence agent, which lives inside a node.
powerd() {
  local word n
  echo $$ >"$CG/host/cgroup.procs"
  exec 5<>"$RACK/power.fifo"
  while read -r word n <&5; do
    ev powerd "$word" "$n"
    [ "$word" = on ] && "$SELF" boot "$n"
  done
}

lab_down() {
  local logs=''
  [ "${1:-}" = --logs ] && logs=${2:?lab down --logs DIR}
  [ -n "$logs" ] && [ -d "$LAB/nodes" ] && collect_logs "$logs"
  lab_sweep
}

# Away with every trace of a lab, whatever state it is in; it reads nothing of the lab's own records.
lab_sweep() {
  local i m
  if [ -d "$CG" ]; then
    for i in $(seq 1 1000); do
      lab_alive || break
      echo 1 >"$CG/cgroup.kill"
      sleep 0.01
    done
    lab_alive && die "processes in $CG do not die: see $CG/*/cgroup.procs"
    find "$CG" -depth -type d -exec rmdir {} +
  fi
  [ -n "$SD1" ] && [ -d "$SD1/$PREFIX" ] && find "$SD1/$PREFIX" -depth -type d -exec rmdir {} +
  for m in $(ip netns list | awk '$1 ~ /^rl(sw|cli|n[0-9]+)$/ {print $1}'); do ip netns del "$m"; done
  for i in $(seq 1 50); do
    m=$(findmnt -rn -o TARGET | awk -v l="$LAB" '$0 == l || index($0, l "/") == 1' | tail -1)
    [ -n "$m" ] || break
    umount "$m" 2>/dev/null || umount -l "$m"
  done
  [ ! -d "$LAB" ] || rmdir "$LAB" 2>/dev/null || die "$LAB is not empty: it is not the lab's, look at it"
}

collect_logs() { # DIR
  local n d m
  mkdir -p "$1"
  cp "$RACK/events.log" "$LAB/powerd.log" "$1/" 2>/dev/null
  for d in "$LAB"/nodes/*; do
    n=${d##*/}
    mkdir -p "$1/$n"
    cp "$d/console.log" "$1/$n/" 2>/dev/null
    for m in corosync pacemaker xen remusd.log journal; do
      [ -e "$d/upper/var/log/$m" ] && cp -r "$d/upper/var/log/$m" "$1/$n/"
    done
  done
  true
}

lab_status() {
  local n k line
  for n in $(nodes); do
    line="$n power=$(node_power "$n") pid=$(node_pid "$n")"
    line="$line processes=$(find "$CG/$n" -name cgroup.procs -exec cat {} + 2>/dev/null | wc -l)"
    for k in 0 1 2; do line="$line eth$k=$(cat "$RACK/net/p${k}n$(num "$n")")"; done
    echo "$line"
  done
}
