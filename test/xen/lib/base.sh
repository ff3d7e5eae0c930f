# shellcheck shell=bash disable=SC2034 # names for the other parts
# base: names, messages, what the machine must have.

HOSTS="xen1 xen2"
NETNS=${REMUS_XEN_NETNS:-rxlab}

die() { echo "xen-lab: $*" >&2; exit 1; }
# This machine is too small, which nobody can mend: exit code 3.
too_small() { echo "xen-lab: $*" >&2; exit 3; }
say() { echo "xen-lab: $*" >&2; }
ev() { echo "$(date +%s.%N) $*" >>"$LAB/events.log"; }
num() { echo "${1#xen}"; }
alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }

# What takes long runs beside others' work without being in their way.
gently() { nice -n 19 ionice -c3 "$@"; }

need_machine() { # COMMAND...
  local tool missing=
  [ "$(id -u)" = 0 ] || die "this needs root"
  for tool in "$@"; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
  done
  [ -z "$missing" ] || die "missing programs:$missing; as root: sh test/support/setup xen"
}

need_room() { # DIR MIB
  local free
  mkdir -p "$1"
  free=$(df -Pm "$1" | awk 'NR == 2 {print $4}')
  [ "$free" -ge "$2" ] || too_small "$1 has $free MiB free, $2 are needed (REMUS_XEN_CACHE names another place)"
}

need_memory() { # MIB
  local free
  free=$(awk '/^MemAvailable/ {print int($2 / 1024)}' /proc/meminfo)
  [ "$free" -ge "$1" ] || too_small "$free MiB of memory are free, $1 are needed for two hosts (REMUS_XEN_MEMORY sets a host's)"
}

need_host() {
  case " $HOSTS " in *" ${1:-} "*) ;; *) die "which host? one of: $HOSTS" ;; esac
}

need_up() {
  [ -e "$LAB/suite" ] || die "no lab is up: xen-lab up starts one"
  suite_names "$(cat "$LAB/suite")"
}

# What differs between the two Debian releases.
suite_names() { # SUITE
  SUITE=$1
  case $SUITE in
    bookworm) XEN=4.17 LIBNL=libnl-route-3-200 ;;
    trixie) XEN=4.20 LIBNL=libnl-route-3-200 ;;
    *) die "suite '$SUITE': bookworm (Debian 12, Xen 4.17) or trixie (Debian 13, Xen 4.20)" ;;
  esac
  IMAGE=$CACHE/$SUITE
}
