/** docs/metrics.md, from the table. Made by npm run build. */
import { DAEMON_METRICS, type Metric, PEER_METRICS, VM_METRICS } from './table.js';

const HEAD = `# Metrics

<!-- Made by "npm run build" from daemon/metrics/table.ts: change that, not this. -->

\`remusd\` tells Prometheus how its VMs are, each node for itself. It is off until it is asked for, in \`/etc/default/remusd\`,
in one of two ways (or both); then \`systemctl restart remusd\`, which disturbs no VM:

\`\`\`sh
# A file for node_exporter's textfile collector, written every 15 s (the path is that of Debian's package):
REMUSD_OPTS="--metrics-textfile /var/lib/prometheus/node-exporter/remus.prom"
# Or to be scraped at http://127.0.0.1:9790/metrics; from elsewhere only with an ADDRESS:PORT of this node:
REMUSD_OPTS="--metrics-listen 9790"
\`\`\`

Without authentication and encryption: name an address only on a network where everybody may see the names and the load of
the VMs. To look by hand: \`curl -s http://127.0.0.1:9790/metrics\`. The file is taken away when remusd is stopped.

In \`examples/\`: alert rules, each with what to type (\`prometheus-rules.yml\`), and a dashboard for Grafana
(\`grafana-dashboard.json\`).

Every sample has the label \`node\`: the name of the node in Pacemaker that says it. A VM is said by each of its nodes, as it
is there: ask for \`remus_vm_protected\`, for example, and the node where it runs answers. What is not known, or has no meaning
in that role, has no sample. Checkpoints, bytes and times are counted by the processes that carry the replica, and begin
anew with each; the counters of events begin anew with each remusd. \`rate()\` and \`increase()\` know that.
`;

export function page(): string {
  return [
    HEAD,
    ...section('VMs', 'Label `vm`: the resource in Pacemaker.', VM_METRICS),
    ...section('Peers', 'Label `peer`: the other node.', PEER_METRICS),
    ...section('The daemon and the cluster', null, DAEMON_METRICS),
  ].join('\n');
}

function section<Of>(
  title: string,
  words: string | null,
  metrics: readonly Metric<Of>[],
): readonly string[] {
  return [
    `## ${title}`,
    '',
    ...(words === null ? [] : [words, '']),
    '| name | type | what it says |',
    '|---|---|---|',
    ...metrics.map((metric) => row(metric)),
    '',
  ];
}

function row({ name, type, help, labels }: Metric<never>): string {
  const more =
    labels === undefined ? '' : ` Labels: ${labels.map((one) => `\`${one}\``).join(', ')}.`;
  return `| \`${name}\` | ${type} | ${help}${more} |`;
}
