# shellcheck shell=bash
# host: a QEMU process that is a Xen host; its power, its shell, and the rack's power switch for the fence agent.

# Without these, dom0 or the guests crash under emulation, or registers leak between domains.
CPU=max,smap=off,smep=off,la57=off,pku=off,mpx=off,rdtscp=off,avx=off,avx2=off,f16c=off,fma=off
CPU=$CPU,xsave=off,xsaveopt=off,xsavec=off,xsaves=off,xgetbv1=off
MEMORY=${REMUS_XEN_MEMORY:-2560}
DOM0_MEMORY=${REMUS_XEN_DOM0_MEMORY:-1280}

host_pid() { cat "$LAB/$1.pid" 2>/dev/null; }
host_power() { if alive "$(host_pid "$1")"; then echo on; else echo off; fi; }

host_disk() { # HOST
  qemu-img create -q -f qcow2 -b "$IMAGE/base.img" -F raw "$LAB/disk/$1.qcow2"
}

host_boot() { # HOST
  local host=$1 n pid
  [ "$(host_power "$host")" = off ] || die "$host is on already"
  n=$(num "$host")
  host_qemu "$host" "$n"
  : >"$LAB/$host.serial"
  date +%s >"$LAB/$host.began"
  # The lock of a caller must not live on in QEMU.
  setsid ip netns exec "$NETNS" "${QEMU[@]}" </dev/null >"$LAB/$host.qemu.log" 2>&1 8>&- 9>&- &
  pid=$!
  echo "$pid" >"$LAB/$host.pid"
  ev boot "$host" "pid=$pid"
  for _ in $(seq 1 100); do
    alive "$pid" || die "$host: QEMU ended: $(tail -n 3 "$LAB/$host.qemu.log")"
    [ ! -S "$LAB/$host.monitor" ] || break
    sleep 0.1
  done
  links_restore "$host"
}

host_qemu() { # HOST N: sets QEMU
  local xen kernel k
  xen="dom0_mem=${DOM0_MEMORY}M,max:${DOM0_MEMORY}M console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning"
  xen="$xen noreboot=1 sched=credit2 dom0_max_vcpus=1 spec-ctrl=no xpti=no"
  kernel="root=/dev/vda rw console=hvc0 net.ifnames=0 quiet loglevel=4 nowatchdog mitigations=off audit=0"
  kernel="$kernel selinux=0 apparmor=0 random.trust_cpu=on xenlab=$2"
  rm -f "$LAB/$1.monitor"
  QEMU=(qemu-system-x86_64 -name "$1" -machine 'pc,usb=off,hpet=on' -accel 'tcg,thread=multi,tb-size=512'
    -cpu "$CPU" -smp 1 -m "$MEMORY"
    -kernel "$IMAGE/boot/xen" -append "$xen" -initrd "$IMAGE/boot/vmlinux $kernel,$IMAGE/boot/dom0.cpio"
    -drive "file=$LAB/disk/$1.qcow2,if=none,id=d0,format=qcow2,cache=unsafe,aio=threads"
    -device 'virtio-blk-pci,drive=d0,bus=pci.0,addr=0x3'
    -netdev "user,id=rack,restrict=on,hostfwd=tcp:127.0.0.1:220$2-:22,guestfwd=tcp:10.0.2.100:7999-cmd:socat - UNIX-CONNECT:$LAB/power.sock"
    -device "virtio-net-pci,netdev=rack,romfile=,mac=52:54:00:77:0$2:00,bus=pci.0,addr=0x4")
  for k in 0 1 2; do
    QEMU+=(-netdev "tap,id=t$k,ifname=p${k}x$2,script=no,downscript=no,vhost=off"
      -device "virtio-net-pci,id=nic$((k + 1)),netdev=t$k,romfile=,mac=52:54:00:77:0$2:0$((k + 1)),bus=pci.0,addr=0x$((k + 5))")
  done
  QEMU+=(-device 'virtio-rng-pci,bus=pci.0,addr=0x8' -display none -vga none -nodefaults -no-reboot -rtc base=utc
    -serial "file:$LAB/$1.serial" -monitor "unix:$LAB/$1.monitor,server=on,wait=off")
}

# A power cut: the process that is the machine is gone, nothing is sent, nothing is flushed.
host_kill() { # HOST
  local pid
  pid=$(host_pid "$1")
  ev kill "$1" "pid=$pid"
  rm -f "$LAB/$1.frozen"
  if alive "$pid"; then
    kill -KILL "$pid"
    while alive "$pid"; do sleep 0.02; done
  fi
  ev dead "$1"
}

host_freeze() { # freeze|thaw HOST
  ev "$1" "$2"
  if [ "$1" = freeze ]; then
    monitor "$2" stop >/dev/null
    : >"$LAB/$2.frozen"
  else
    rm -f "$LAB/$2.frozen"
    monitor "$2" cont >/dev/null
  fi
}

# ip netns exec keeps the pid: QEMU and ssh live in the lab's namespace.
host_ssh() { # HOST [SSH-OPTION...]: sets SSH
  SSH=(ip netns exec "$NETNS" ssh -q -i "$CACHE/id_lab" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
    -o GSSAPIAuthentication=no -o Ciphers=aes128-ctr -o MACs=umac-64@openssh.com -o ConnectTimeout=20
    -o ControlMaster=auto -o "ControlPath=$LAB/ssh-$1" -o ControlPersist=600
    -o ServerAliveInterval=10 -o ServerAliveCountMax=6 -p "220$(num "$1")" root@127.0.0.1)
}

host_exec() { # HOST CMD...
  local host=$1
  shift
  [ "$(host_power "$host")" = on ] || die "$host is off: xen-lab boot $host"
  host_ssh "$host"
  "${SSH[@]}" "$@"
}

hosts_wait() { # SECONDS: until the hosts that are on answer to ssh
  local host limit=$1
  for host in $HOSTS; do
    [ "$(host_power "$host")" = on ] || continue
    host_ssh "$host"
    until timeout 30 "${SSH[@]}" true </dev/null 2>/dev/null; do
      [ "$(host_power "$host")" = on ] || die "$host: QEMU ended: $(tail -n 3 "$LAB/$host.qemu.log" "$LAB/$host.serial")"
      [ $(($(date +%s) - $(cat "$LAB/$host.began"))) -lt "$limit" ] ||
        die "$host: no ssh after $limit s; its console: $LAB/$host.serial"
      sleep 1
    done
    say "$host answers $(($(date +%s) - $(cat "$LAB/$host.began"))) s after power-on"
  done
}

# The rack's power switch: the fence agent in a host reaches it through QEMU's management network.
rack_start() {
  rm -f "$LAB/power.sock"
  setsid socat "UNIX-LISTEN:$LAB/power.sock,fork" "EXEC:$SELF power-line" </dev/null >>"$LAB/power.log" 2>&1 8>&- 9>&- &
  echo $! >"$LAB/power.pid"
}

rack_stop() {
  local pid
  pid=$(cat "$LAB/power.pid" 2>/dev/null)
  alive "$pid" && kill "$pid"
  true
}

# One connection to it: a line in, a line out. Files in $LAB for tests: fence-fail makes it fail, fence-boot says
# whether a reboot powers on again.
power_line() {
  local action host
  read -r action host
  ev power "$action" "$host"
  case $action in ping) echo ok; return ;; esac
  case " $HOSTS " in *" $host "*) ;; *) echo "failed: no host '$host'"; return ;; esac
  if [ -e "$LAB/fence-fail" ] && [ "$action" != status ]; then
    echo "failed: the lab makes fencing fail (xen-lab fence-ok ends that)"
    return
  fi
  case $action in
    status) host_power "$host" ;;
    on) [ "$(host_power "$host")" = on ] || host_boot "$host" >&2 </dev/null; echo ok ;;
    off) host_kill "$host"; echo ok ;;
    reboot)
      host_kill "$host"
      [ "$(cat "$LAB/fence-boot" 2>/dev/null)" != 1 ] || host_boot "$host" >&2 </dev/null
      echo ok
      ;;
    *) echo "failed: what is '$action'?" ;;
  esac
}
