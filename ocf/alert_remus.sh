#!/bin/sh
#
# alert_remus.sh: a Pacemaker alert agent. It tells remusd on this node that a node was lost or has joined, or that fencing
# was done or has failed, so that remusd looks now, and not a few seconds later. remusd believes nothing of what is said
# here: it asks Pacemaker. Pacemaker calls this as hacluster, on every node, and needs no recipient:
#
#   crm configure alert remus /usr/share/pacemaker/alerts/alert_remus.sh select nodes fencing
#
# Whatever happens it ends within seconds and with 0: without remusd nothing is lost but the hurry.
#
# Copyright (c) the pacemaker-remus authors
# License: GPL-2.0-or-later

LC_ALL=C
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

# Resources and attributes: remusd hears of its own from Pacemaker's actions, and of others it wants nothing.
case ${CRM_alert_kind-} in
node | fencing) ;;
*) exit 0 ;;
esac

socket=${REMUS_RUNDIR:-/run/pacemaker-remus}-alert.sock
[ -S "$socket" ] || exit 0

request="remus 1
action=cluster-event
kind=$CRM_alert_kind
"

# field NAME VALUE: a line of the request. A value of several lines, or a long one, is left out: it is only for the log.
field() {
	case $2 in
	'' | *'
'*) return 0 ;;
	esac
	[ "${#2}" -le 1000 ] || return 0
	request="$request$1=$2
"
}

field node "${CRM_alert_node-}"
field task "${CRM_alert_task-}"
field desc "${CRM_alert_desc-}"
field rc "${CRM_alert_rc-}"

# Nobody waits for an answer. A remusd that hangs has the kernel take the request, or is given up after a second.
timeout -k 1 3 socat -u - "UNIX-CONNECT:$socket,connect-timeout=1" 2>/dev/null <<END
$request
END
rc=$?
[ $rc -ne 127 ] || echo 'alert_remus.sh: socat is not installed; type: apt install socat' >&2
exit 0
