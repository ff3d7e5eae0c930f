/** remusd(8), from the daemon's own tables. */
import { entry, example, paragraphs, roff, section } from '../agent/roff.js';
import { release } from '../ctl/release.js';
import { identityPath } from './adapters/identity.js';
import { EXITS, optionForm, OPTIONS, SYNOPSIS } from './options.js';
import { alertSocket, controlSocket, pidFile, registrations, roomsFrom, vmRoom } from './rooms.js';

const DESCRIPTION = `Drives Xen's Remus for the VMs that Pacemaker runs as ocf:xen:remus: it starts and ends replication, carries the
checkpoints to the other node over TLS, holds what a VM sends until the checkpoint behind it is safe, and tells
Pacemaker how the VM is. Who runs a VM is decided by Pacemaker alone.

It is started by systemd as remusd.service, before Pacemaker, and stopped after it. Restarting, upgrading or losing it
disturbs no VM and no replication: these are processes of their own, which the next remusd finds by their sockets. While
there is no remusd, monitor says so, stop and demote work, and start and promote fail.

The daemons of the nodes trust each other by certificates of their own, which they publish in the cluster. There is
nothing to set up.`;

const REMOVAL = `The package cannot be removed while Pacemaker has a VM of ocf:xen:remus started on the node: without the agent
Pacemaker could not stop it, and would fence the node. Move the VMs away first, and keep them away, for which one command is
enough:`;

const STANDBY = 'crm node standby    # or: pcs node standby';

const PURGE = `Purging the package removes what is in /var/lib/pacemaker-remus, too: the node's identity, for which there is a new one
when remusd is installed again, and the history.`;

export const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['REMUSD_OPTS', 'In /etc/default/remusd: the options that remusd.service starts it with.'],
  [
    'REMUS_PATIENCE',
    'In /etc/default/remusd: on an emulated or hopelessly slow machine, how many times as long remusd waits for programs and peers.',
  ],
];

const rooms = roomsFrom({}, '/usr/lib/pacemaker-remus');

export const FILES: readonly (readonly [string, string])[] = [
  ['/etc/default/remusd', 'Settings. Read at the start of remusd.'],
  [identityPath(rooms.state), "The node's key and certificate, made at the first start."],
  [`${rooms.state}/history`, 'What happened to each VM.'],
  [controlSocket(rooms), 'Where the agent and remusctl(8) ask, for root only.'],
  [pidFile(rooms), 'The running remusd: its process id and start time.'],
  [
    `${registrations(rooms)}/VM.json`,
    'The VM is started on this node: its configuration, and whether it is promoted.',
  ],
  [vmRoom(rooms, 'VM'), 'Sockets, process ids and logs of its replication, or of its replica.'],
  ['/usr/lib/ocf/resource.d/xen/remus', 'The agent, ocf_xen_remus(7).'],
  [rooms.lib, 'The programs.'],
  [
    '/var/lib/prometheus/node-exporter/remus.prom',
    'With that as --metrics-textfile: the metrics, for the Prometheus node exporter of Debian.',
  ],
  [
    alertSocket(rooms),
    "Where Pacemaker's alert agent reaches it, as a member of the group haclient. All that can be done there is to have it look at the cluster now.",
  ],
  [
    '/usr/share/pacemaker/alerts/alert_remus.sh',
    'The alert agent. Once a cluster: crm configure alert remus /usr/share/pacemaker/alerts/alert_remus.sh select nodes fencing',
  ],
  ['/usr/lib/systemd/system/remusd.service', 'The unit.'],
  [
    '/usr/lib/systemd/system/resource-agents-deps.target.d',
    'What is in it has remusd started before Pacemaker and stopped after it.',
  ],
  ['/usr/lib/tmpfiles.d/pacemaker-remus.conf', 'Makes its directories at boot.'],
  [
    '/usr/share/dbus-1/system.d/org.pacemakerremus1.conf',
    'Who may use it over D-Bus, as org.pacemakerremus1: root; the group haclient may look.',
  ],
];

export function manualPage(): string {
  return [
    '.\\" Made from the tables in daemon/ by npm run build.',
    `.TH REMUSD 8 "" "pacemaker\\-remus ${release()}" "System administration"`,
    '.ad l',
    section('NAME', roff('remusd') + ' \\- Remus for Xen under Pacemaker, the daemon of one node'),
    section('SYNOPSIS', `.B ${roff(SYNOPSIS)}`),
    section('DESCRIPTION', paragraphs(DESCRIPTION)),
    section('OPTIONS', ...OPTIONS.map((option) => entry(optionForm(option), option.summary))),
    section('EXIT STATUS', ...EXITS.map(([code, words]) => entry(String(code), words))),
    section('ENVIRONMENT', ...ENVIRONMENT.map(([name, words]) => entry(name, words))),
    section('FILES', ...FILES.map(([path, words]) => entry(path, words))),
    section('REMOVAL', paragraphs(REMOVAL), example(STANDBY), '.PP', paragraphs(PURGE)),
    section('SEE ALSO', roff('remusctl(8), ocf_xen_remus(7), journalctl(1), pacemakerd(8), xl(1)')),
    '',
  ].join('\n');
}
