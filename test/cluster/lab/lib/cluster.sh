# shellcheck shell=bash
# cluster: corosync.conf, the seeded CIB, waiting until the cluster has formed.

cluster_files() { # N: what all nodes share
  local i
  corosync_conf "$1" >"$LAB/corosync.conf"
  cib_seed "$1" >"$LAB/cib.xml"
  (umask 077 && head -c 256 /dev/urandom >"$LAB/authkey")
  echo "127.0.0.1 localhost" >"$LAB/hosts"
  for i in $(seq 1 "$1"); do echo "10.77.0.$i pm$i" >>"$LAB/hosts"; done
}

cluster_node_files() { # UPPER I
  local u=$1
  cp "$LAB/corosync.conf" "$u/etc/corosync/"
  install -m 400 "$LAB/authkey" "$u/etc/corosync/authkey"
  install -o hacluster -g haclient -m 600 "$LAB/cib.xml" "$u/var/lib/pacemaker/cib/cib.xml"
  cp "$LAB/hosts" "$u/etc/hosts"
  echo "${REMUS_LAB_PCMK_ENV:-}" >"$u/etc/remus-lab-pcmk-env"
}

# sched_rr: without it tokens are lost on a busy machine.
corosync_conf() { # N
  local i two=
  [ "$1" = 2 ] && two="two_node: 1"
  cat <<C
totem {
  version: 2
  cluster_name: $PREFIX
  transport: knet
  crypto_cipher: ${REMUS_LAB_CIPHER:-aes256}
  crypto_hash: sha256
  token: ${REMUS_LAB_TOKEN:-1000}
  token_coefficient: 0
  join: 50
  interface {
    linknumber: 0
    knet_link_priority: 1
  }
}
system {
  sched_rr: yes
  move_to_root_cgroup: no
}
quorum {
  provider: corosync_votequorum
  $two
  wait_for_all: 1
}
logging {
  to_stderr: no
  to_syslog: no
  to_logfile: yes
  logfile: /var/log/corosync/corosync.log
  timestamp: hires
}
nodelist {
C
  for i in $(seq 1 "$1"); do
    printf '  node {\n    ring0_addr: 10.77.0.%s\n    name: pm%s\n    nodeid: %s\n  }\n' "$i" "$i" "$i"
  done
  echo "}"
}

cib_property() { # NAME VALUE
  echo "        <nvpair id=\"cib-bootstrap-options-$1\" name=\"$1\" value=\"$2\"/>"
}

# dc-deadtime governs how long forming takes: 4 s at 1 s, 23 s at the default of 20 s.
cib_seed() { # N
  local i
  cat <<C
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0">
  <configuration>
    <crm_config>
      <cluster_property_set id="cib-bootstrap-options">
$(cib_property cluster-name "$PREFIX")
$(cib_property dc-deadtime 1s)
$(cib_property stonith-enabled true)
$(cib_property stonith-timeout "$OPT_STONITH_TIMEOUT")
$(cib_property no-quorum-policy stop)
$(cib_property cluster-delay 10s)
$([ -z "$OPT_PFD" ] || cib_property priority-fencing-delay "$OPT_PFD")
      </cluster_property_set>
    </crm_config>
    <nodes/>
    <resources>
C
  for i in $(seq 1 "$1"); do cib_fence_device "$i"; done
  echo '    </resources>'
  echo '    <constraints>'
  for i in $(seq 1 "$1"); do
    echo "      <rsc_location id=\"fence$i-not-on-pm$i\" rsc=\"fence$i\" score=\"-INFINITY\" node=\"pm$i\"/>"
  done
  echo '    </constraints>'
  cib_alert
  echo '  </configuration>'
  echo '  <status/>'
  echo '</cib>'
}

cib_alert() {
  cat <<C
    <alerts>
      <alert id="remus" path="/usr/share/pacemaker/alerts/alert_remus.sh">
        <select><select_nodes/><select_fencing/></select>
      </alert>
    </alerts>
C
}

cib_fence_device() { # I
  cat <<C
      <primitive id="fence$1" class="stonith" type="fence_remuslab">
        <instance_attributes id="fence$1-params">
          <nvpair id="fence$1-params-plug" name="plug" value="pm$1"/>
          <nvpair id="fence$1-params-hosts" name="pcmk_host_list" value="pm$1"/>
        </instance_attributes>
        <operations>
          <op id="fence$1-monitor" name="monitor" interval="60s" timeout="20s"/>
        </operations>
      </primitive>
C
}

cluster_wait() { # SECONDS
  local n out='' first on started deadline
  started=$(date +%s%3N)
  deadline=$((started + $1 * 1000))
  while :; do
    first='' on=0 # anew each time: fencing may take a node away while we wait
    for n in $(nodes); do
      [ "$(node_power "$n")" = on ] || continue
      on=$((on + 1))
      [ -n "$first" ] || first=$n
    done
    [ -n "$first" ] || die "wait: no node is on: lab boot NODE"
    cluster_formed "$first" "$on" && break
    [ "$(date +%s%3N)" -lt "$deadline" ] || die "not formed within $1 s; $first says: ${out:-nothing}"
    sleep 0.1
  done
  ev formed
  echo "formed after $(($(date +%s%3N) - started)) ms of waiting"
}

cluster_formed() { # FIRST HOW_MANY; leaves what crm_mon said in `out`
  out=$(node_exec "$1" timeout 5 crm_mon -1 --output-as=xml 2>&1) || return 1
  case $out in *'<current_dc present="true"'*'with_quorum="true"'*) ;; *) return 1 ;; esac
  [ "$(grep -c '<node name=.*online="true".*pending="false"' <<<"$out")" -ge "$2" ]
}
