/**
 * The scenes of the demo, in their order. Each shows the real screens of the real commands.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OutsideClient } from '../lab/client.js';
import { type CrmStatus, nodesInRole } from '../lab/crm-status.js';
import type { Lab } from '../lab/lab.js';
import type { Summary } from '../lab/tally.js';
import { measure } from '../support/measures.js';
import { type Progress, inNode, progress, prompt, row, say } from './screen.js';
import type { SceneSeen } from './seen.js';
import { aroundSilence, answersIn, eventsSince, timeline } from './timeline.js';

const VM = 'vm1';
/** For a slow machine. */
const PATIENCE_MS = 300_000;
/** So many answers make a picture of the ordinary. */
const SOME_ANSWERS = 20;

/** As in README. */
const RESOURCE = `primitive ${VM} ocf:xen:remus params config=/etc/xen/${VM}.cfg \\
  op start timeout=120s op stop timeout=180s op promote timeout=120s op demote timeout=120s \\
  op monitor interval=10s timeout=30s role=Promoted op monitor interval=11s timeout=30s role=Unpromoted
clone ${VM}-ha ${VM} meta promotable=true promoted-max=1 clone-max=2 interleave=true
`;

/** What the scenes share. */
export interface Stage {
  readonly lab: Lab;
  /** How a user calls the lab's script. */
  readonly lab_words: string;
  /** A directory for this run's files. */
  readonly room: string;
  readonly seen: SceneSeen[];
  client?: OutsideClient;
  /** The lab on its way up. */
  rising?: Promise<void>;
}

/** A scene. */
export interface Scene {
  readonly title: string;
  readonly play: (stage: Stage) => Promise<void>;
}

export const scenes: readonly Scene[] = [
  { title: 'A cluster of two', play: cluster },
  { title: 'A VM is added, and becomes protected', play: addVm },
  { title: 'The operator moves it: switchover', play: switchover },
  { title: 'The power of its node is cut', play: powerCut },
  { title: 'The dead node comes back', play: comeBack },
];

async function cluster(stage: Stage): Promise<void> {
  say(
    'Two machines, pm1 and pm2, each a set of namespaces with corosync, Pacemaker and remusd of its own.',
    'Xen is simulated. Everything else is real, fencing (a power switch) included.',
  );
  prompt('host', `${stage.lab_words} up 2`);
  stage.rising = stage.lab.up(2);
  await progress('the nodes boot, the cluster forms', () => stage.rising ?? Promise.resolve());
  await inNode('pm1', 'crm_mon -1');
}

async function addVm(stage: Stage): Promise<void> {
  const { lab } = stage;
  await lab.vmConfig(VM);
  await lab.sh('pm1', ['sh', '-c', `cat >/root/${VM}.crm`], { stdin: RESOURCE });
  say('What a sysadmin has to write: the domain as for xl, and the resource for Pacemaker.');
  await inNode('pm1', `cat /etc/xen/${VM}.cfg`);
  await inNode('pm1', `cat /root/${VM}.crm`);
  await inNode('pm1', `crm configure load update /root/${VM}.crm`);
  await progress('Pacemaker starts the VM on one node', () => talk(stage));
  await protectedAgain(stage, 'the first copy of its memory goes to the other node');
  say(
    'Protected: what the VM does reaches the other node several times a second, and what it sends',
    'waits until its checkpoint is safe there. A client outside the cluster talks to it from now on.',
  );
  await window(stage, 'protected, nothing happens', () => someAnswers(stage));
  await inNode('pm1', 'crm_mon -1A');
  await inNode('pm1', 'remusctl status');
  await inNode('pm2', 'remusctl status');
}

async function switchover(stage: Stage): Promise<void> {
  const from = await promotedNode(stage);
  say(
    'One command, on whichever node. It waits for the end, and says how long the VM was not to be heard.',
  );
  await window(stage, 'switchover', async () => {
    await inNode(from, `remusctl switchover ${VM}`);
    await someAnswers(stage);
    await protectedAgain(stage, 'the other way round it is protected again');
  });
  await inNode(from, 'crm_mon -1A');
}

async function powerCut(stage: Stage): Promise<void> {
  const { lab } = stage;
  const dead = await promotedNode(stage);
  const other = lab.nodes().find((node) => node !== dead) ?? dead;
  await inNode(dead, `remusctl status ${VM}`);
  say(`Now ${dead} loses its power, in the midst of its work: nothing is said to anybody.`);
  await window(stage, 'power cut of its node', async () => {
    prompt('host', `${stage.lab_words} kill ${dead}`);
    await lab.kill(dead);
    const replica = `Pacemaker has ${dead} fenced, ${other} goes on with the replica`;
    await progress(replica, () => answered(stage));
    showTimeline(stage, dead);
    await progress(`${other} has seen that its peer is gone`, (shown) =>
      until(stage, 'the VM runs unprotected', shown, (status) => words(status, other) !== ''),
    );
  });
  say('It runs, and everybody can see that it has no replica now, and what to do about it.');
  await inNode(other, 'crm_mon -1A --fence-history=2');
  await inNode(other, 'remusctl status');
}

async function comeBack(stage: Stage): Promise<void> {
  const { lab } = stage;
  const dead = lab.nodes().find((node) => lab.power(node) === 'off');
  if (dead === undefined) throw new Error('no node of the lab is off');
  say('It is switched on again. Nobody has to do anything else.');
  await window(stage, 'the dead node comes back', async () => {
    prompt('host', `${stage.lab_words} boot ${dead}`);
    await lab.boot(dead);
    await protectedAgain(stage, `${dead} joins the cluster and gets a replica`);
    await someAnswers(stage);
  });
  const primary = await promotedNode(stage);
  await inNode(dead, 'crm_mon -1A');
  await inNode(primary, 'remusctl status');
}

/** The client begins as soon as the VM answers. */
async function talk(stage: Stage): Promise<void> {
  const client = await stage.lab.client({ id: 'demo', log: clientLog(stage) });
  stage.client = client;
  await answered(stage);
}

function clientLog(stage: Stage): string {
  return join(stage.room, 'client.jsonl');
}

function clientOf(stage: Stage): OutsideClient {
  if (stage.client === undefined) throw new Error('the client does not run yet');
  return stage.client;
}

/** What the client sees while something is done, noted for the end. */
async function window(stage: Stage, scene: string, work: () => Promise<unknown>): Promise<void> {
  await clientOf(stage).mark(scene);
  let summary: Summary | undefined;
  try {
    await work();
  } finally {
    summary = await clientOf(stage).report();
    stage.seen.push({ scene, summary });
  }
  measure(`demo: ${scene}`, {
    answers: summary.answers,
    longest_silence_ms: summary.longest_silence.ms,
    rtt_ms: summary.rtt_ms,
  });
}

/** A request that is asked from now on has been answered. */
async function answered(stage: Stage): Promise<void> {
  const { last, waiting } = await clientOf(stage).report();
  await answersUpTo(stage, (waiting?.n ?? last?.n ?? 0) + 1);
}

async function someAnswers(stage: Stage): Promise<void> {
  const { last } = await clientOf(stage).report();
  await answersUpTo(stage, (last?.n ?? 0) + SOME_ANSWERS);
}

async function answersUpTo(stage: Stage, n: number): Promise<void> {
  await stage.lab.waitFor(
    'the VM answers the client outside',
    async () => ((await clientOf(stage).report()).last?.n ?? 0) >= n,
    PATIENCE_MS,
  );
}

async function until(
  stage: Stage,
  what: string,
  shown: Progress,
  good: (status: CrmStatus) => boolean,
): Promise<void> {
  const { lab } = stage;
  await lab.waitFor(
    what,
    async () => {
      const status = await lab.crmMon(lab.anyNode());
      const known = lab.nodes().map((node) => [node, words(status, node)] as const);
      const said = known.filter(([, text]) => text !== '');
      shown.know(said.map(([node, text]) => `${node}: ${text}`).join(', '));
      return good(status);
    },
    PATIENCE_MS,
  );
}

function words(status: CrmStatus, node: string): string {
  return status.attributes[node]?.[`remus-${VM}`] ?? '';
}

function isProtected(status: CrmStatus): boolean {
  const [primary] = nodesInRole(status, VM, 'Promoted');
  const [backup] = nodesInRole(status, VM, 'Unpromoted');
  if (primary === undefined || backup === undefined) return false;
  return words(status, primary) === 'protected' && words(status, backup) === 'replica: ready';
}

async function protectedAgain(stage: Stage, what: string): Promise<void> {
  await progress(what, (shown) => until(stage, 'the VM is protected', shown, isProtected));
}

async function promotedNode({ lab }: Stage): Promise<string> {
  const [node] = await lab.inRole(lab.anyNode(), VM, 'Promoted');
  if (node === undefined) throw new Error(`${VM} is promoted nowhere`);
  return node;
}

/** The lab's events since the power was cut, and what the client noticed. */
function showTimeline(stage: Stage, dead: string): void {
  const events = eventsSince(
    readFileSync(join(stage.lab.dir, 'rack', 'events.log'), 'utf8'),
    `kill ${dead}`,
  );
  const cut_ms = events[0]?.at_ms ?? 0;
  const silence = aroundSilence(answersIn(readFileSync(clientLog(stage), 'utf8')), cut_ms);
  if (silence === undefined) throw new Error('the client has noted no answer');
  const { before, after } = silence;
  const heard = [
    { at_ms: before.at_ms, text: 'the last answer that the client had from it' },
    { at_ms: after.at_ms, text: 'the first answer of the replica' },
  ];
  say(
    'What happened, in seconds from the power cut (fence_remuslab is the power switch of the lab):',
    '',
  );
  for (const line of timeline([...events, ...heard], cut_ms)) row(line);
  say('The VM goes on with its memory: the same boot, and it counts on.', '');
  row(`  answer before  count=${before.seq} clock=${before.ticks} boot=${before.boot}`);
  row(`  answer after   count=${after.seq} clock=${after.ticks} boot=${after.boot}`);
  const fence = events.filter(({ text }) => text.startsWith('fence_remuslab'));
  measure('demo: from power cut to the next answer', {
    total_ms: Math.round(after.at_ms - cut_ms),
    fence_began_ms: Math.round((fence[0]?.at_ms ?? cut_ms) - cut_ms),
    fence_ended_ms: Math.round((fence.at(-1)?.at_ms ?? cut_ms) - cut_ms),
    silence_ms: Math.round(after.at_ms - before.at_ms),
  });
}
