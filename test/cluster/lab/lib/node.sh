# shellcheck shell=bash
# node: the disk of a node (an overlay over this machine's root), its power, its processes.

NODE_PATH=/usr/lib/simxen/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# The disk: $LAB/nodes/NODE/upper holds what differs from this machine; it outlives power cuts.
node_make() { # I
  local n=pm$1 d=$LAB/nodes/pm$1 u=$LAB/nodes/pm$1/upper x
  mkdir -p "$d/root" "$d/work" "$u"/{etc/xen,remus-lab,usr/lib/ocf/resource.d/xen,usr/lib/simxen,usr/sbin}
  cp -a "$SDIR/overlay/." "$u/"
  ln -s "$CLONE/test/simxen/bin" "$u/usr/lib/simxen/bin"
  node_kernel "$u"
  node_state_dirs "$u"
  cluster_node_files "$u" "$1"
  echo "$n" >"$u/etc/hostname"
  : >"$RACK/nodes/$n"
  for x in 0 1 2; do echo a >"$RACK/net/p${x}n$1"; done
  [ -n "$OPT_BARE" ] && : >"$d/bare"
  if [ -n "$OPT_SYSTEMD" ]; then systemd_node "$d" "$1"; else node_product "$u"; fi
}

node_product() { # UPPER: the clone itself, so that a rebuild is at once what the nodes run
  local u=$1 x
  ln -s "$CLONE/ocf/remus" "$u/usr/lib/ocf/resource.d/xen/remus"
  ln -s "$CLONE/dist" "$u/usr/lib/pacemaker-remus"
  # Pacemaker runs it as hacluster, who may not be let into the clone.
  install -D -m 755 "$CLONE/ocf/alert_remus.sh" "$u/usr/share/pacemaker/alerts/alert_remus.sh"
  for x in ctl:remusctl daemon:remusd; do
    printf '#!/bin/sh\nexec node %s/dist/%s/main.js "$@"\n' "$CLONE" "${x%:*}" >"$u/usr/sbin/${x#*:}"
    chmod 755 "$u/usr/sbin/${x#*:}"
  done
}

# The simulated tc does what this machine's kernel may not be able to: the nodes' kernel has it all, by its own word.
node_kernel() { # UPPER
  local x dir
  dir=$1/usr/lib/modules/$(uname -r)
  mkdir -p "$dir"
  for x in drivers/net/ifb net/sched/sch_plug net/sched/sch_ingress net/sched/act_mirred net/sched/cls_matchall; do
    echo "kernel/$x.ko"
  done >"$dir/modules.builtin"
}

node_state_dirs() { # UPPER: empty of its own, not this machine's
  local u=$1 x
  mkdir -p "$u"/var/log/{corosync,pacemaker,crmsh,xen} "$u"/var/lib/{corosync,pacemaker,pacemaker-remus} "$u"/etc/corosync/uidgid.d
  opaque "$u/var/log" "$u"/var/lib/{corosync,pacemaker,pacemaker-remus} "$u"/etc/{corosync,xen}
  chmod 700 "$u/var/lib/pacemaker-remus"
  for x in blackbox cib cores pengine; do install -d -o hacluster -g haclient -m 750 "$u/var/lib/pacemaker/$x"; done
  chown hacluster:haclient "$u/var/log/pacemaker"
  chmod 770 "$u/var/log/pacemaker"
}

opaque() { # DIR...: hide this machine's directories of these names (setfattr is not everywhere)
  python3 -c 'import os, sys
for d in sys.argv[1:]: os.setxattr(d, "trusted.overlay.opaque", b"y")' "$@" || die "cannot mark a directory of the overlay as opaque"
}

node_pid() { # the outside pid of the node's pid 1
  local outer
  outer=$(cat "$LAB/nodes/$1/outer.pid" 2>/dev/null) || return 1
  tr -d ' ' 2>/dev/null <"/proc/$outer/task/$outer/children"
}

node_power() {
  if ! populated "$1"; then
    echo off
  elif [ "$(cat "$CG/$1/cgroup.freeze")" = 1 ]; then
    echo frozen
  else
    echo on
  fi
}

is_systemd() { [ -e "$LAB/nodes/$1/systemd" ]; }

node_boot() {
  local n=$1 d=$LAB/nodes/$1
  populated "$n" && die "$n is on already"
  [ -d "$CG/$n" ] && find "$CG/$n" -mindepth 1 -depth -type d -exec rmdir {} +
  mkdir -p "$CG/$n"
  echo 0 >"$CG/$n/cgroup.freeze"
  node_net "$(num "$n")"
  rm -f "$d/outer.pid" "$RACK/ready-$n"
  ev boot "$n"
  if is_systemd "$n"; then systemd_boot "$n"; else plain_boot "$n"; fi
  for _ in $(seq 1 1000); do
    [ -e "$RACK/ready-$n" ] && return
    sleep 0.01
  done
  die "$n does not come up: see $d/console.log: $(tail -3 "$d/console.log" 2>/dev/null)"
}

plain_boot() {
  local n=$1 d=$LAB/nodes/$1
  # shellcheck disable=SC2016
  setsid bash -c 'echo $$ >"$1/cgroup.procs"; echo $$ >"$2/outer.pid"; shift 2; exec "$@"' boot "$CG/$n" "$d" \
    nsenter --net="/run/netns/rln$(num "$n")" unshare --mount --uts --ipc --pid --fork --kill-child \
    bash "$SDIR/node/init" "$n" "$d" "$RACK" "$CLONE" "$NODE_PATH" </dev/null >>"$d/console.log" 2>&1 &
}

# Nothing may be sent by a machine without power: its ports go first, then its processes.
node_off() {
  local n=$1 i k
  i=$(num "$n")
  ev kill "$n"
  for k in 0 1 2; do ip -n "$SWITCH" link set "p${k}n$i" nomaster 2>/dev/null; done
  [ -d "$CG/$n" ] && echo 1 >"$CG/$n/cgroup.kill"
  for _ in $(seq 1 2000); do
    populated "$n" || { ev dead "$n"; return 0; }
    sleep 0.005
  done
  die "$n does not die"
}

node_freeze() { # freeze|thaw NODE
  populated "$2" || die "$2 is off"
  ev "$1" "$2"
  if [ "$1" = freeze ]; then echo 1; else echo 0; fi >"$CG/$2/cgroup.freeze"
}

node_exec() { # NODE CMD...: with the environment that everything in the node has
  local n=$1 pid group=$CG/$1 cgns=() product=("REMUS_LIBDIR=$CLONE/dist")
  shift
  pid=$(node_pid "$n")
  [ -n "$pid" ] || die "$n is off: lab boot $n"
  if is_systemd "$n"; then
    cgns=(-C) product=() # installed there
    [ -d "$group/payload/init.scope" ] && group=$group/payload/init.scope
  fi
  # shellcheck disable=SC2016
  exec sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$group" \
    nsenter -t "$pid" -m -u -i -n -p "${cgns[@]}" -- env -i "PATH=$NODE_PATH" "${product[@]}" \
    HOME=/root LANG=C.UTF-8 "TERM=${TERM:-dumb}" "$@"
}

node_cluster() { # stop|start NODE
  ev "$1" "$2"
  if is_systemd "$2"; then
    if [ "$1" = stop ]; then node_exec "$2" systemctl stop pacemaker remusd corosync
    else node_exec "$2" systemctl start corosync remusd pacemaker; fi
  else
    node_exec "$2" bash "$SDIR/node/$1"
  fi
}
