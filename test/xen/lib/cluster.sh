# shellcheck shell=bash
# cluster: corosync.conf and a CIB with fencing, put into both hosts; the product, installed as a user would.

TOKEN_MS=${REMUS_XEN_TOKEN:-5000}

corosync_conf() {
  cat <<C
totem {
  version: 2
  cluster_name: xen-lab
  transport: knet
  crypto_cipher: none
  crypto_hash: none
  token: $TOKEN_MS
}
quorum {
  provider: corosync_votequorum
  two_node: 1
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
  node {
    ring0_addr: 10.77.0.1
    name: xen1
    nodeid: 1
  }
  node {
    ring0_addr: 10.77.0.2
    name: xen2
    nodeid: 2
  }
}
C
}

cib_property() { # NAME VALUE
  echo "        <nvpair id=\"cib-bootstrap-options-$1\" name=\"$1\" value=\"$2\"/>"
}

cib_seed() {
  local n
  cat <<C
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0">
  <configuration>
    <crm_config>
      <cluster_property_set id="cib-bootstrap-options">
$(cib_property cluster-name xen-lab)
$(cib_property dc-deadtime 5s)
$(cib_property stonith-enabled true)
$(cib_property stonith-timeout 60s)
$(cib_property no-quorum-policy stop)
$(cib_property priority-fencing-delay 10s)
      </cluster_property_set>
    </crm_config>
    <nodes/>
    <resources>
C
  for n in 1 2; do
    cat <<C
      <primitive id="fence$n" class="stonith" type="fence_xenlab">
        <instance_attributes id="fence$n-params">
          <nvpair id="fence$n-plug" name="plug" value="xen$n"/>
          <nvpair id="fence$n-hosts" name="pcmk_host_list" value="xen$n"/>
        </instance_attributes>
        <operations>
          <op id="fence$n-monitor" name="monitor" interval="120s" timeout="60s"/>
        </operations>
      </primitive>
C
  done
  echo '    </resources>'
  echo '    <constraints>'
  for n in 1 2; do
    echo "      <rsc_location id=\"fence$n-not-on-xen$n\" rsc=\"fence$n\" score=\"-INFINITY\" node=\"xen$n\"/>"
  done
  printf '    </constraints>\n  </configuration>\n  <status/>\n</cib>\n'
}

# Written once, before the first start: the cluster's own copies are not touched afterwards.
cluster_configure() {
  local host
  corosync_conf >"$LAB/corosync.conf"
  cib_seed >"$LAB/cib.xml"
  for host in $HOSTS; do
    tar -C "$LAB" -cf - corosync.conf cib.xml | host_exec "$host" 'set -e
      cd /root && tar -xf -
      install -m 644 corosync.conf /etc/corosync/corosync.conf
      install -o hacluster -g haclient -m 600 cib.xml /var/lib/pacemaker/cib/cib.xml
      systemctl enable -q corosync pacemaker 2>/dev/null || systemctl enable corosync pacemaker
      sync' || die "$host: the cluster could not be configured"
  done
}

cluster_start() {
  local host pids=()
  for host in $HOSTS; do
    host_exec "$host" 'systemctl start corosync && systemctl start pacemaker' </dev/null &
    pids+=($!)
  done
  wait "${pids[@]}"
}

cluster_wait() { # SECONDS
  local began said
  began=$(date +%s)
  while :; do
    said=$(host_exec xen1 'timeout 30 crm_mon -1 --output-as=xml' </dev/null 2>&1)
    case $said in
      *'<current_dc present="true"'*'with_quorum="true"'*)
        [ "$(grep -c '<node name=.*online="true".*pending="false"' <<<"$said")" -ge 2 ] && break
        ;;
    esac
    [ $(($(date +%s) - began)) -lt "$1" ] || die "no cluster after $1 s; xen1 says: ${said:-nothing}"
    sleep 1
  done
  ev formed
  say "the cluster has formed after $(($(date +%s) - began)) s"
}
