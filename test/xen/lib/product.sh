# shellcheck shell=bash
# The product in the hosts: its Debian package and nothing else, as a user would install it.

# Packed in a moment, and quick to unpack under emulation. Debian 12 has no Node.js that is new enough, so there the package
# brings its own.
product_package() { # prints the package's path
  local dir=$LAB/product words=()
  if [ "$(cat "$LAB/suite")" = bookworm ]; then words=(--bundle-node); fi
  rm -rf "$dir"
  DPKG_DEB_COMPRESSOR_TYPE=gzip DPKG_DEB_COMPRESSOR_LEVEL=1 "$CLONE/debian/build" "${words[@]}" "$dir" 2>"$LAB/package.log" ||
    die "debian/build failed: $(tail -3 "$LAB/package.log")"
}

product_install() { # PACKAGE [HOST]
  local host pid pids=() package=$1
  for host in ${2:-$HOSTS}; do
    host_exec "$host" 'set -e
      cat >/var/tmp/pacemaker-remus.deb
      dpkg --force-confold --force-unsafe-io --install /var/tmp/pacemaker-remus.deb >/var/tmp/install.log 2>&1 ||
        { cat /var/tmp/install.log >&2; exit 1; }
      rm /var/tmp/pacemaker-remus.deb
      systemctl is-active remusd
      sync' <"$package" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || die "the package could not be installed on a host"; done
  ev installed "$(basename "$package")"
}
