# shellcheck shell=bash
# net: one network namespace with three switches (cluster, replication, guests' LAN), the outside client's address, and
# QEMU itself: its management network (ssh) listens inside, too, so nothing of the lab shows outside.

net_make() {
  local k n port
  ip netns add "$NETNS"
  ip -n "$NETNS" link set lo up
  nsenter --net="/run/netns/$NETNS" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
  nsenter --net="/run/netns/$NETNS" sh -c 'echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables' 2>/dev/null
  for k in 0 1 2; do
    ip -n "$NETNS" link add "br$k" up type bridge stp_state 0 forward_delay 0 mcast_snooping 0
    for n in 1 2; do
      port=p${k}x$n
      ip netns exec "$NETNS" ip tuntap add dev "$port" mode tap vnet_hdr
      ip -n "$NETNS" link set "$port" master br$k up
    done
  done
  ip -n "$NETNS" addr add 10.77.2.200/24 dev br2
}

net_remove() {
  ip netns list | grep -qw "$NETNS" && ip netns del "$NETNS"
  true
}

lan_exec() { exec ip netns exec "$NETNS" "$@"; }

# A cable pulled at one host, or plugged in again: nic1 cluster, nic2 replication, nic3 guests' LAN.
link_set() { # HOST NIC on|off
  ev link "$1" "$2" "$3"
  monitor "$1" "set_link $2 $3" >/dev/null
  echo "$3" >"$LAB/$1.$2"
}

# The cable stays out over a power cut.
links_restore() { # HOST
  local nic
  for nic in nic1 nic2 nic3; do
    [ "$(cat "$LAB/$1.$nic" 2>/dev/null)" != off ] || monitor "$1" "set_link $nic off" >/dev/null
  done
}

monitor() { # HOST COMMAND
  { echo "$2"; sleep 0.2; } | timeout 10 socat -t 1 - "UNIX-CONNECT:$LAB/$1.monitor" | tail -n +2
}
