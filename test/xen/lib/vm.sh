# shellcheck shell=bash
# vm: configuration files of test VMs, their Pacemaker resources, and who runs what by the hypervisors' own word.

vm_config() { # NAME [KEY=VALUE...]
  local name=${1:-} number ip mac memory=80 dirty=16 tick=100 kv host
  # In less the kernel of Debian 12 comes up and crashes.
  [ "$(cat "$LAB/suite")" != bookworm ] || memory=96
  [ -n "$name" ] || die "vm-config: which name? xen-lab vm-config vm1"
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
      *) die "vm-config: what is '$kv'? keys: ip mac memory dirty tick" ;;
    esac
  done
  for host in $HOSTS; do
    [ "$(host_power "$host")" = on ] || continue
    host_exec "$host" "cat >/etc/xen/$name.cfg; sync" <<C || die "$host: cannot write /etc/xen/$name.cfg"
name = "$name"
type = "pvh"
kernel = "/etc/xen/guest/vmlinux"
ramdisk = "/etc/xen/guest/initrd.gz"
extra = "console=hvc0 loglevel=6 sysrq_always_enabled gip=$ip/24 dirty=$dirty tick=$tick"
memory = $memory
vcpus = 1
tsc_mode = "native"
vif = [ "mac=$mac,bridge=xenbr0" ]
on_poweroff = "destroy"
on_reboot = "restart"
on_crash = "destroy"
C
  done
}

nvpairs() { # ID K=V...
  local id=$1 kv
  shift
  for kv in "$@"; do
    echo "<nvpair id=\"$id-${kv%%=*}\" name=\"${kv%%=*}\" value=\"${kv#*=}\"/>"
  done
}

vm_ops() { # NAME
  local name=$1 op
  for op in start=120 stop=180 promote=120 demote=120; do
    echo "<op id=\"$name-${op%=*}\" name=\"${op%=*}\" interval=\"0\" timeout=\"${op#*=}s\"/>"
  done
  echo "<op id=\"$name-monitor-10\" name=\"monitor\" interval=\"10s\" timeout=\"30s\" role=\"Promoted\"/>"
  echo "<op id=\"$name-monitor-11\" name=\"monitor\" interval=\"11s\" timeout=\"30s\" role=\"Unpromoted\"/>"
}

# Emulation is slow: a start takes 5 s, a first copy 20 s and more. As XML: crmsh would take 40 s of the dom0's processor.
vm_add() { # NAME [--param K=V]... [--meta K=V]...
  local name=${1:-} host
  local params=() meta=()
  [ -n "$name" ] || die "add-vm: which name? xen-lab add-vm vm1"
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      --param) params+=("${2:?}"); shift ;;
      --meta) meta+=("${2:?}"); shift ;;
      *) die "add-vm: what is '$1'? (xen-lab help)" ;;
    esac
    shift
  done
  case " ${params[*]-}" in *" replication_timeout="*) ;; *) params+=(replication_timeout=30) ;; esac
  for host in $HOSTS; do
    [ "$(host_power "$host")" = on ] || continue
    host_exec "$host" 'cibadmin --modify --allow-create --scope resources --xml-pipe' <<C
<resources>
<clone id="$name-ha">
<meta_attributes id="$name-ha-meta">
$(nvpairs "$name-ha-meta" promotable=true promoted-max=1 clone-max=2 interleave=true priority=10 failure-timeout=60s "${meta[@]}")
</meta_attributes>
<primitive id="$name" class="ocf" provider="xen" type="remus">
<instance_attributes id="$name-params">
$(nvpairs "$name-params" "config=/etc/xen/$name.cfg" "${params[@]}")
</instance_attributes>
<operations>
$(vm_ops "$name")
</operations>
</primitive>
</clone>
</resources>
C
    return
  done
  die "add-vm: no host is on"
}

# Each line: HOST NAME STATE, from both hypervisors, and not from our own opinion. A host that is off runs nothing.
domains() {
  local host
  for host in $HOSTS; do
    [ "$(host_power "$host")" = on ] || continue
    host_exec "$host" 'xl list' </dev/null | awk -v h="$host" 'NR > 1 && $1 != "Domain-0" {print h, $1, $(NF - 1)}'
  done
}

# P1: a domain that is neither paused nor suspended runs; it may do so on one host only.
copies() { # NAME: on how many hosts it runs
  domains | awk -v n="$1" '$2 == n && $3 !~ /[psd]/ {k++} END {print k + 0}'
}
