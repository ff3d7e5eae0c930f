# shellcheck shell=bash
# net: three networks. Each is a pair of bridges in the switch's netns; a partition moves a node's port to the
# second bridge, a cut takes it off both: the carrier stays, nothing of the nodes is touched.
# The wanted place of a port (a, b, off) is in $RACK/net/PORT, so that it outlives the node's power.

switch_make() {
  local k b
  ip netns add "$SWITCH"
  ip netns add "$LAN"
  for k in 0 1 2; do
    for b in a b; do
      # Short ageing: a guest's address moves with the guest even if its first word was lost.
      ip -n "$SWITCH" link add "br$k$b" up type bridge stp_state 0 forward_delay 0 mcast_snooping 0 ageing_time 500
    done
  done
  quiet_netns "$SWITCH"
  quiet_netns "$LAN"
  ip -n "$SWITCH" link add pcli type veth peer name eth2 netns "$LAN"
  ip -n "$SWITCH" link set pcli master br2a up
  ip -n "$LAN" link set lo up
  ip -n "$LAN" addr add 10.77.2.200/24 dev eth2
  ip -n "$LAN" link set eth2 up
  : >"$RACK/net/switch"
  mount --bind "/run/netns/$SWITCH" "$RACK/net/switch" # the fence agent takes a dead node's ports away here
}

quiet_netns() { # no IPv6 chatter, no netfilter on bridges
  nsenter --net="/run/netns/$1" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
    echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
    echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables' 2>/dev/null
  true
}

# A node's network is made anew at each power-on: nothing of the dead node's interfaces is left. Its addresses
# stay, as a real machine's do: else the others' ARP caches would keep them from it for ten seconds and more.
node_net() { # I
  local i=$1 k
  for k in 0 1 2; do ip -n "$SWITCH" link del "p${k}n$i" 2>/dev/null; done
  ip netns del "rln$i" 2>/dev/null
  ip netns add "rln$i" || die "cannot make the netns rln$i"
  quiet_netns "rln$i"
  for k in 0 1 2; do
    ip -n "$SWITCH" link add "p${k}n$i" type veth peer name "eth$k" address "02:00:0a:4d:0$k:0$i" netns "rln$i"
    ip -n "$SWITCH" link set "p${k}n$i" up
    port_place "p${k}n$i" "$(cat "$RACK/net/p${k}n$i" 2>/dev/null || echo a)"
  done
  ip -n "rln$i" -batch - <<EOT
link set lo up
addr add 10.77.0.$i/24 dev eth0
link set eth0 up
addr add 10.77.1.$i/24 dev eth1
link set eth1 up
link add xenbr0 address 02:00:0a:4d:02:0$i type bridge stp_state 0 forward_delay 0 mcast_snooping 0 ageing_time 500
link set eth2 master xenbr0 up
addr add 10.77.2.$i/24 dev xenbr0
link set xenbr0 up
EOT
}

port_place() { # PORT a|b|off
  local k=${1:1:1}
  echo "$2" >"$RACK/net/$1"
  if [ "$2" = off ]; then
    ip -n "$SWITCH" link set "$1" nomaster
  else
    ip -n "$SWITCH" link set "$1" master "br$k$2"
  fi
}

link_split() { # NETWORK A B: B's ports move away
  local n
  { [ -n "$2" ] && [ -n "$3" ]; } || die "who from whom? for example: pm1 pm2 (comma lists)"
  for n in ${2//,/ } ${3//,/ }; do need_node "$n"; done
  ev split "eth$1" "$2" "$3"
  for n in ${3//,/ }; do port_place "p${1}n$(num "$n")" b; done
}

link_cut() { # NETWORK NODE|all
  local n which=$2
  [ "$which" = all ] && which=$(nodes)
  [ -n "$which" ] || die "whose link? a node or all"
  for n in $which; do need_node "$n"; done
  ev cut "eth$1" "$2"
  for n in $which; do port_place "p${1}n$(num "$n")" off; done
}

link_heal() { # NETWORK
  local n
  ev heal "eth$1"
  for n in $(nodes); do port_place "p${1}n$(num "$n")" a; done
}

lan_exec() {
  # shellcheck disable=SC2016
  exec sh -c 'echo $$ >"$0/cgroup.procs"; exec nsenter --net=/run/netns/rlcli "$@"' "$CG/host" "$@"
}
