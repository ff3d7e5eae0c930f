/** docs/states.md: the machine of daemon/core as pictures and tables, made by running it. */
import type { ClusterStatus } from '../../daemon/ports.js';
import { clusterTasks } from '../../daemon/tasks/cluster.js';
import { SCORE } from '../../daemon/core/policy.js';
import { NOT_HELD } from '../../daemon/core/view.js';
import { initialState, type State } from '../../daemon/core/state.js';
import { CONFIG } from '../unit/core/rig.js';
import { CONFIGS, explore } from './explore.js';
import { type Edge, Graph } from './graph.js';
import { common, type Common, type Group, GROUPS, inGroup, isCommon } from './groups.js';
import { mermaid } from './mermaid.js';
import { NODE, NOW_MS, PEER } from './moves.js';
import { inOrder, inShort, text } from './names.js';
import { View } from './shown.js';

export async function page(): Promise<string> {
  const graph = new Graph();
  const view = new View();
  const sizes = CONFIGS.map((config) =>
    explore(
      config,
      (seen) => {
        graph.add(seen);
        view.addStep(seen.before, seen.after);
      },
      (state) => view.add(state),
    ),
  );
  for (const reason of await reasonsFromOutside()) view.addReason(unprotected(), reason);
  const edges = graph.edges();
  return [
    ...head(Math.max(...sizes), graph.steps),
    ...GROUPS.flatMap((group) => section(group, inGroup(group, edges))),
    ...returns(graph),
    ...shown(view),
  ].join('\n');
}

function head(states: number, steps: number): string[] {
  return [
    '# The state machine of a VM on a node',
    '',
    '<!-- Made by "npm run diagram" from daemon/core: change that, not this. -->',
    '',
    `Made from the code by \`npm run diagram\`, not drawn: from the first state on, everything that can happen is made to`,
    `happen to \`daemon/core\` (each request, each outcome of each task, each timer, each word of a data process or of the`,
    `peer), until no new state is found: ${states} states (those that differ only in numbers are one), ${steps} steps. What is`,
    'in no table here was not seen. Unit tests fail when this file is not what the code gives, and when a simulated life of a',
    'cluster (`npm run simulate`) takes a step that is not here.',
    '',
    'A label is what happens. `task done`, `task failed` and `task says ...` are the ends of work that the state has asked',
    'for; `after a while` is its timer. A long list is cut short in a picture; its table has it all. In a table,',
    '*does* is the work that begins, *says* what goes into the log and `remusctl history`. The words are those of',
    '`daemon/core`: see [ARCHITECTURE.md](../ARCHITECTURE.md).',
    '',
  ];
}

function section(group: Group, edges: readonly Edge[]): string[] {
  const commons = common(edges);
  return [
    `## ${group.title}`,
    '',
    group.about,
    '',
    '```mermaid',
    mermaid(group, edges, commons),
    '```',
    '',
    ...everywhere(commons, edges, group),
    ...(group.told ? [...steps(edges.filter((edge) => !isCommon(edge, commons))), ''] : []),
  ];
}

function everywhere(commons: readonly Common[], edges: readonly Edge[], group: Group): string[] {
  if (commons.length === 0) return [];
  const all = new Set(edges.map(({ from }) => text(from, group.depth)));
  const lines = commons.map(({ label, to, from, says }) => {
    const names = new Set(from.map((one) => text(one, group.depth)));
    const without = [...all].filter((name) => !names.has(name));
    const where = without.length === 0 ? 'all' : `all but ${without.map(code).join(', ')}`;
    if (to === null) return `- ${label}: says "${says.join('; ')}", and stays: ${where}`;
    return `- ${label} → ${code(text(to))}: ${where}`;
  });
  return ['Almost everywhere here:', '', ...lines, ''];
}

/** Rows that differ only in what happens are one. */
function steps(edges: readonly Edge[]): string[] {
  const rows = new Map<string, { readonly edge: Edge; readonly labels: Set<string> }>();
  for (const edge of edges) {
    const { from, to, when, does, says } = edge;
    const key = [text(from), text(to), when, ...does, ...says].join('|');
    const row = rows.get(key) ?? { edge, labels: new Set<string>() };
    rows.set(key, row);
    row.labels.add(edge.label);
  }
  const sorted = inOrder([...rows.values()], ({ edge }) => edge.from);
  return table(
    ['state', 'what happens', 'next', 'does', 'says'],
    sorted.map(({ edge, labels }) => [
      code(text(edge.from)),
      inShort([...labels]).join('; ') + (edge.when === '' ? '' : ` *(${edge.when})*`),
      text(edge.from) === text(edge.to) ? '' : code(text(edge.to)),
      edge.does.join(', '),
      edge.says.join('; '),
    ]),
  );
}

function returns({ returns: found }: Graph): string[] {
  const rows = new Map<string, number>();
  for (const { to, says } of inOrder([...found.values()], ({ to }) => to)) {
    const key = `${code(text(to))}|${says.join('; ')}`;
    rows.set(key, (rows.get(key) ?? 0) + 1);
  }
  return [
    '## A daemon that comes back',
    '',
    `It goes by what is really there. Of ${found.size} combinations of what it may find (the domain, the record in the CIB, a`,
    'sender, a receiver, the note of a replication, and whether it was the primary):',
    '',
    ...table(
      ['next', 'says', 'combinations'],
      [...rows].map(([key, count]) => [...key.split('|'), String(count)]),
    ),
    '',
  ];
}

function shown(view: View): string[] {
  const ordered = inOrder([...view.states.values()], ({ name }) => name);
  const states = ordered.map(({ name, words, scores, answers, hints }) => [
    code(text(name)),
    [...words].map(code).join(' or '),
    [...scores].map(scoreInWords).join(' or '),
    [...answers].join(' or '),
    [...hints]
      .filter((hint) => hint !== '')
      .map(code)
      .join(' or '),
  ]);
  return [
    '## What is seen of it, and what to type',
    '',
    'The node attribute `remus-VM` (`crm_mon -1A`), the promotion score that the node has, the answer of a recurring monitor (a',
    'while after the promotion; the hypervisor shows nothing that should not be there), and what `remusctl status` says to type.',
    `A score of ${SCORE.granted} is set on the holder of a granted replica by the primary.`,
    '',
    'While remusd is down or hung, the next monitor writes `unknown: remusd is not running on NODE` (or `does not answer`) there: type',
    '`systemctl start remusd` (or `restart`). The daemon puts its own words back after the first monitor that it answers.',
    '',
    ...table(['state', 'crm_mon', 'score', 'monitor', 'type'], states),
    '',
    '### The reasons',
    '',
    'Every reason that the machine gives, and those of a search for a peer. `...` is the error of a program or of the peer, as it is.',
    '`unprotected, output held: X` becomes `unprotected: X` when the output has been let go. Of a VM that is replicated with',
    `\`netbuf=off\`, crm_mon says \`protected, ${NOT_HELD}\` and \`unprotected, ${NOT_HELD}: X\`.`,
    '',
    ...table(
      ['crm_mon', 'type'],
      [...view.reasons].sort().map(([words, hint]) => [code(words), hint === '' ? '' : code(hint)]),
    ),
    '',
  ];
}

function scoreInWords(score: string): string {
  return score === 'keep' ? 'as it is' : score;
}

function code(words: string): string {
  return `\`${words}\``;
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(titles), line(titles.map(() => '---')), ...rows.map(line)];
}

/** Why no peer is found: the product's own words, from clusters that have none. */
async function reasonsFromOutside(): Promise<readonly string[]> {
  const self = { name: NODE, online: true, standby: false, pending: false };
  const peer = { ...self, name: PEER };
  const clusters = [
    [self],
    [self, { ...peer, online: false }],
    [self, { ...peer, standby: true }],
    [self, { ...peer, pending: true }],
    [self, peer],
    [self, { ...peer, online: false }, { ...peer, name: 'pm3', standby: true }],
  ];
  return Promise.all(
    clusters.map(async (nodes) => {
      const cluster = {
        status: () => Promise.resolve({ nodes } as unknown as ClusterStatus),
        readPause: () => Promise.resolve(null),
      };
      const host = { delay: () => Promise.resolve() };
      const directory = { refresh: () => Promise.resolve(), get: () => null };
      const tasks = clusterTasks(cluster as never, directory as never, host, { wall: () => '' });
      const context = { resource: CONFIG.resource, node: NODE, config: CONFIG };
      return (await tasks['find-peers']({ task: 'find-peers' }, context)).none_because;
    }),
  );
}

function unprotected(): State {
  return {
    ...initialState(NODE, CONFIG.resource),
    config: CONFIG,
    phase: {
      ...{ kind: 'primary', generation: 1, guest: { kind: 'running', domid: 7 } },
      ...{ poll_tag: 0, record_tag: 0, attempts: 0, ended: null, leaving: null },
      ...{ since_ms: NOW_MS, looked_ms: NOW_MS, asked_ms: NOW_MS },
      protection: { kind: 'none', reason: '', tag: 0 },
    },
  };
}
