/** Checks of each node: remusd and its peers, Xen, dom0's kernel, clocks, left-overs. */
import { OCF } from '../core/ocf.js';
import type { Check, Found } from './check.js';
import { plain } from './checks-cluster.js';
import { type Facts, type NodeFacts, type NodeProblem, failure, value } from './facts.js';
import { incoming, list, seen, shellWord } from './views.js';

/** Nodes whose clocks differ by more are a finding. */
const CLOCK_MS = 2_000;

function problems(facts: Facts, ...kinds: readonly NodeProblem[]): Found[] {
  return facts.nodes.flatMap(({ name, problem }) =>
    problem !== null && kinds.includes(problem.kind)
      ? [{ values: { node: name, here: facts.here, sentence: plain(problem.sentence) }, on: name }]
      : [],
  );
}

function each(facts: Facts, find: (node: NodeFacts) => readonly Found['values'][]): Found[] {
  return seen(facts).flatMap((node) =>
    find(node).map((values) => ({ values: { node: node.node, ...values }, on: node.node })),
  );
}

function release(node: NodeFacts): { readonly text: string; readonly number: number } | null {
  const xen = value(node.xen);
  return xen === null
    ? null
    : { text: `${xen.major}.${xen.minor}`, number: xen.major * 1_000 + xen.minor };
}

function xenDiffers(facts: Facts): Found[] {
  const known = seen(facts).flatMap((node) => {
    const found = release(node);
    return found === null ? [] : [{ node: node.node, ...found }];
  });
  const sorted = known.sort((a, b) => a.number - b.number);
  const [oldest, newest] = [sorted[0], sorted.at(-1)];
  if (oldest === undefined || newest === undefined || oldest.number === newest.number) return [];
  const values = { old: oldest.node, old_xen: oldest.text, new: newest.node, new_xen: newest.text };
  return [{ values, on: oldest.node }];
}

/** A replica's domain that no process of ours feeds: it will never be anything. */
function orphans(node: NodeFacts): string[] {
  const started = value(node.started) ?? [];
  const processes = value(node.processes);
  if (processes === null) return [];
  const fed = started
    .filter(({ resource }) => processes.some((one) => one.resource === resource))
    .map(({ domain }) => incoming(domain));
  return (value(node.domains) ?? [])
    .map(({ name }) => name)
    .filter((name) => name.endsWith('--incoming') && !fed.includes(name));
}

function strayIfbs(node: NodeFacts): string[] {
  const domains = value(node.domains);
  if (domains === null) return [];
  const ids = new Set(domains.map(({ domid }) => String(domid)));
  return (value(node.ifbs) ?? []).filter((ifb) => !ids.has(/^rem(\d+)\./.exec(ifb)?.[1] ?? ''));
}

/** None is needed where nothing is held of any VM. */
function missingModules(facts: Facts): Found[] {
  const { vms } = facts;
  if (vms.length > 0 && vms.every(({ netbuf_off, restarts }) => netbuf_off || restarts)) return [];
  return each(facts, ({ modules }) => {
    const missing = Object.keys(modules).filter((name) => modules[name] === false);
    if (missing.length === 0) return [];
    return [{ modules: list(missing), modules_all: missing.join(' ') }];
  });
}

const systemd_hint = '"journalctl -u remusd -n 20" says why.';

export const NODE_CHECKS: readonly Check[] = [
  {
    id: 'remusd-down',
    severity: 'error',
    what: 'remusd does not answer on {node}: {sentence}.',
    why: 'VMs and replication that run go on without it, but nothing can be started, promoted or replicated anew on {node}, and a replica that is lost stays lost.',
    fix: ['systemctl start remusd'],
    advice: systemd_hint,
    find: ({ daemon, here }) => {
      if (daemon.kind !== 'down') return [];
      const found = { values: { node: here, sentence: plain(daemon.sentence) }, on: here };
      if (!daemon.waits) return [found];
      return [{ ...found, fix: ['systemctl start corosync pacemaker'] }];
    },
  },
  {
    id: 'remusd-other-release',
    severity: 'warning',
    what: 'The remusd that runs on {node} is of another release than this remusctl ({release}): {sentence}.',
    why: 'It was not restarted after an upgrade. A restart disturbs no VM and no replication.',
    fix: ['systemctl restart remusd'],
    find: ({ daemon, here, release: ours }) => {
      const values = { node: here, release: ours };
      if (daemon.kind === 'older')
        return [{ values: { ...values, sentence: plain(daemon.sentence) }, on: here }];
      if (daemon.kind === 'runs' && daemon.release !== ours)
        return [{ values: { ...values, sentence: `it is ${daemon.release}` }, on: here }];
      return [];
    },
  },
  {
    id: 'peer-no-remusd',
    severity: 'error',
    what: 'remusd does not run on {node}: {sentence}.',
    why: 'Without it {node} can neither hold a replica nor take one over.',
    fix: ['systemctl start remusd'],
    advice: systemd_hint,
    find: (facts) => problems(facts, 'no-remusd'),
  },
  {
    id: 'peer-unreachable',
    severity: 'error',
    what: 'remusd on {node} cannot be asked: {sentence}.',
    why: 'Replication goes the same way: while {node} is not reached from {here}, no replica can be made.',
    fix: ['systemctl restart remusd'],
    advice:
      'When it runs there, look at the link and at the firewall between the nodes: the address and port are in "attrd_updater -QA -n \'#remus-peer\'", and a replica has a port of its own at that address.',
    validate: { level: 20, rc: OCF.ERR_GENERIC },
    find: (facts) => problems(facts, 'unreachable'),
  },
  {
    id: 'peer-certificate',
    severity: 'error',
    what: 'What answers at the address of {node} does not have its certificate: {sentence}.',
    why: 'The daemons trust each other by the certificates in the attribute #remus-peer. Whoever answers with another one gets nothing: no replica can be made.',
    fix: ['systemctl restart remusd'],
    advice:
      'The restart publishes its certificate anew. If that does not help, another machine has the address.',
    validate: { level: 20, rc: OCF.ERR_GENERIC },
    find: (facts) => problems(facts, 'certificate'),
  },
  {
    id: 'peer-protocol',
    severity: 'error',
    what: '{sentence}.',
    why: 'The two daemons cannot speak to each other, so no replica can be made.',
    fix: ['apt install ./pacemaker-remus_*.deb'],
    advice:
      'Install the newer of the two packages on {node} and {here}; an upgrade disturbs no VM.',
    validate: { level: 20, rc: OCF.ERR_GENERIC },
    find: (facts) => problems(facts, 'protocol'),
  },
  {
    id: 'peer-older',
    severity: 'warning',
    what: 'remusd on {node} is of a former release, which cannot be asked how {node} is.',
    why: 'Nothing of what is on {node} could be looked at.',
    fix: ['apt install ./pacemaker-remus_*.deb'],
    advice: 'With the package that {here} has. An upgrade disturbs no VM.',
    find: (facts) => problems(facts, 'older'),
  },
  {
    id: 'release-differs',
    severity: 'warning',
    what: 'remusd is {release} on {node}, and {ours} on {here}.',
    why: 'Two releases work together only for the time of an upgrade.',
    fix: ['apt install ./pacemaker-remus_*.deb'],
    advice: 'With the same package on all nodes. An upgrade disturbs no VM.',
    find: (facts) => {
      const ours = seen(facts).find(({ node }) => node === facts.here)?.release;
      if (ours === undefined) return [];
      return each(facts, (node) =>
        node.release === ours ? [] : [{ release: node.release, ours, here: facts.here }],
      );
    },
  },
  {
    id: 'unit-disabled',
    severity: 'warning',
    what: 'remusd is not started at boot on {node}.',
    why: 'After a reboot of {node} no VM can be replicated to it.',
    fix: ['systemctl enable remusd'],
    find: (facts) => each(facts, ({ enabled }) => (enabled === false ? [{}] : [])),
  },
  {
    id: 'no-xen',
    severity: 'error',
    what: '{node} has no Xen that can be asked: {sentence}.',
    why: 'A VM can neither run nor be received there.',
    fix: ['xl info'],
    advice: 'Install xen-system-amd64, boot into it, and see that xen.service is up.',
    validate: { level: 10, rc: OCF.ERR_INSTALLED },
    find: (facts) =>
      each(facts, (node) => {
        const sentence = failure(node.xen);
        return sentence === null ? [] : [{ sentence: plain(sentence) }];
      }),
  },
  {
    id: 'xen-old',
    severity: 'warning',
    what: '{node} has Xen {xen}.',
    why: 'Nothing older than 4.17 has been tried: messages and behaviour that we rely on may be others.',
    fix: ['xl info | grep xen_version'],
    advice: 'Upgrade to the Xen of Debian 12 or later.',
    find: (facts) =>
      each(facts, (node) => {
        const xen = release(node);
        return xen === null || xen.number >= 4_017 ? [] : [{ xen: xen.text }];
      }),
  },
  {
    id: 'xen-differs',
    severity: 'warning',
    what: '{old} has Xen {old_xen}, and {new} has {new_xen}.',
    why: 'Xen takes a VM from its own or the former release, never from a later one: a VM on {old} can have its replica on {new}, but not the other way round. After a move to {new} it stays unprotected.',
    fix: ['apt install xen-system-amd64'],
    advice: 'Upgrade {old}, too: switch its VMs over to {new} first, then upgrade and reboot it.',
    find: xenDiffers,
  },
  {
    id: 'kernel-module',
    severity: 'error',
    what: 'The kernel of {node} neither has nor can load {modules}.',
    why: 'What a guest sends is held back by them until the checkpoint behind it is safe. Without them no VM can be protected when it runs there, but for those with netbuf=off.',
    fix: ['modprobe -a {modules_all}'],
    advice:
      "Debian's kernels have them all. After an upgrade of the kernel its former modules may be gone: reboot.",
    validate: { level: 10, rc: OCF.ERR_INSTALLED },
    find: missingModules,
  },
  {
    id: 'clock',
    severity: 'warning',
    what: 'The clock of {node} is {seconds} s {direction} that of {here}.',
    why: 'Logs and histories of the two nodes cannot be compared, and a guest that takes its time from dom0 sees it jump when it moves.',
    fix: ['timedatectl set-ntp true'],
    find: (facts) =>
      facts.nodes.flatMap(({ name, clock }) => {
        if (clock === null || Math.abs(clock.ahead_ms) - clock.give_ms < CLOCK_MS) return [];
        const seconds = (Math.abs(clock.ahead_ms) / 1000).toFixed(1);
        const direction = clock.ahead_ms > 0 ? 'ahead of' : 'behind';
        return [{ values: { node: name, here: facts.here, seconds, direction }, on: name }];
      }),
  },
  {
    id: 'no-ntp',
    severity: 'note',
    what: 'The clock of {node} is not kept by NTP.',
    why: 'It will run away from those of the others.',
    fix: ['timedatectl set-ntp true'],
    find: (facts) => each(facts, ({ ntp }) => (ntp === false ? [{}] : [])),
  },
  {
    id: 'left-ifb',
    severity: 'warning',
    what: '{node} has the interface {ifb}, and no domain {domid}.',
    why: 'It held the output of a guest that is gone. A guest that gets the same number may be disturbed by it.',
    fix: ['ip link delete {ifb}'],
    find: (facts) =>
      each(facts, (node) =>
        strayIfbs(node).map((ifb) => ({ ifb, domid: /^rem(\d+)/.exec(ifb)?.[1] ?? '?' })),
      ),
  },
  {
    id: 'left-incoming',
    severity: 'error',
    what: '{node} has the domain {domain}, which is the replica of no VM that is started there.',
    why: 'It is what is left of a replica. It takes memory, and no new replica can be made while it is there.',
    fix: ['xl destroy {domain}'],
    find: (facts) =>
      each(facts, (node) => orphans(node).map((domain) => ({ domain: shellWord(domain) }))),
  },
  {
    id: 'left-process',
    severity: 'warning',
    what: '{node} has a process of {resource} ({kind}, {pid}), and {resource} is not started there.',
    why: 'It is left of a replication that is over, and may be in the way of the next one.',
    fix: ['kill {pid}'],
    find: (facts) =>
      each(facts, (node) => {
        const started = value(node.started);
        if (started === null) return [];
        return (value(node.processes) ?? [])
          .filter((one) => !started.some(({ resource }) => resource === one.resource))
          .map(({ resource, kind, pid }) => ({ resource, kind, pid }));
      }),
  },
  {
    id: 'left-registration',
    severity: 'warning',
    what: '{node} has {path}, a note about a VM that could not be read.',
    why: 'remusd has set it aside at its start: it does not know that VM until Pacemaker tells it again.',
    fix: ['rm {path}'],
    find: (facts) => each(facts, (node) => node.damaged.map((path) => ({ path: shellWord(path) }))),
  },
];
