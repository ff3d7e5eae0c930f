# shellcheck shell=bash
# vm: configuration files of test VMs, and their Pacemaker resources.

vm_config() { # NAME [KEY=VALUE...]
  local name=${1:-} ip mac memory=16 dirty=16 tick=100 node='' number kv n on
  [ -n "$name" ] || die "vm-config: which name? lab vm-config vm1"
  shift
  number=${name##*[!0-9]}
  number=$((10#${number:-1}))
  ip=10.77.2.$((49 + number))
  mac=$(printf '00:16:3e:77:02:%02x' $((49 + number)))
  for kv in "$@"; do
    case $kv in
      ip=*) ip=${kv#*=} ;;
      mac=*) mac=${kv#*=} ;;
      memory=*) memory=${kv#*=} ;;
      dirty=*) dirty=${kv#*=} ;;
      tick=*) tick=${kv#*=} ;;
      node=*) node=${kv#*=} ;;
      *) die "vm-config: what is '$kv'? keys: ip mac memory dirty tick node" ;;
    esac
  done
  [ -z "$node" ] || need_node "$node"
  for n in ${node:-$(nodes)}; do
    on=$(vm_file "$n" "$name.cfg")
    sed -e "s/@NAME@/$name/; s/@IP@/$ip/; s/@MAC@/$mac/; s/@MEMORY@/$memory/; s/@DIRTY@/$dirty/; s/@TICK@/$tick/" \
      "$SDIR/vm/pvh.cfg" >"$on" || die "cannot write $on"
  done
}

# A node that is on is written through its own root: an overlay's upper must not be changed behind it.
vm_file() { # NODE FILE
  local pid
  pid=$(node_pid "$1")
  if [ -n "$pid" ]; then echo "/proc/$pid/root/etc/xen/$2"; else echo "$LAB/nodes/$1/upper/etc/xen/$2"; fi
}

# DESIGN section 4, with a priority that priority-fencing-delay can use.
vm_add() { # NAME [--agent A] [--monitor S] [--param K=V]... [--meta K=V]...
  local name=${1:-} agent=ocf:xen:remus monitor=10 params='' meta='' n file
  [ -n "$name" ] || die "add-vm: which name? lab add-vm vm1"
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      --agent) agent=${2:?}; shift ;;
      --monitor) monitor=${2:?}; shift ;;
      --param) params="$params ${2:?}"; shift ;;
      --meta) meta="$meta ${2:?}"; shift ;;
      *) die "add-vm: what is '$1'? (lab help)" ;;
    esac
    shift
  done
  [ "$agent" = ocf:xen:remus ] && params="config=/etc/xen/$name.cfg$params"
  file=$(mktemp)
  cat >"$file" <<C
primitive $name $agent ${params:+params $params }op start timeout=120s interval=0 op stop timeout=180s interval=0 op promote timeout=120s interval=0 op demote timeout=120s interval=0 op monitor interval=${monitor}s timeout=30s role=Promoted op monitor interval=$((monitor + 1))s timeout=30s role=Unpromoted
clone $name-ha $name meta promotable=true promoted-max=1 clone-max=2 interleave=true priority=10$meta
C
  for n in $(nodes); do
    [ "$(node_power "$n")" = on ] || continue
    (node_exec "$n" crm configure load update - <"$file")
    set -- $?
    rm -f "$file"
    return "$1"
  done
  rm -f "$file"
  die "add-vm: no node is on"
}
