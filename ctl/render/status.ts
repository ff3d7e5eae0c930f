/** The status for people: one line a VM, and below a VM that is not well why, and what to type. Pure. */
import type { Lag } from '../lag-history.js';
import { type Member, membersOf } from '../members.js';
import type { PauseStatus, PeerStatus, Status, VmStatus, WireStatus } from '../status.js';
import type { Paint, Palette } from './paint.js';
import { sparkLegend, sparkline, sparkPaint } from './spark.js';
import { table } from './text.js';
import type { Cell, Column } from './text.js';
import { bytes, count, duration, rate, seconds } from './units.js';

const columns: readonly Column[] = [
  { title: 'VM' },
  { title: 'NODE' },
  { title: 'ROLE' },
  { title: 'STATE' },
  { title: 'CHECKPOINT', right: true },
  { title: 'AGE', right: true },
  { title: 'RATE', right: true },
];

/** Longer states are cut at their colon: the reason stands on the next line. */
const state_max = 36;

/** What --watch adds: each VM's lag from refresh to refresh. */
export interface Watched {
  readonly lag: Lag;
  /** The terminal shows more than ASCII. */
  readonly utf8: boolean;
}

/** Marks of the lag: beside the other columns, and where there is a line for them. */
const spark_width = { table: 20, details: 60 };

/** All VMs. */
export function statusTable(status: Status, palette: Palette, watched?: Watched): string {
  const members = membersOf(status);
  const [title = '', ...rows] = table(
    watched === undefined ? columns : [...columns, { title: 'LAG' }],
    members.map((one) => [...cells(one, palette), ...lagCells(one.vm, palette, watched)]),
  );
  const vms = members.flatMap(({ vm }, index) => [rows[index] ?? '', ...notes(vm, palette)]);
  const body = members.length === 0 ? noVms() : [palette.strong(title), ...vms];
  const legend =
    watched === undefined ? [] : [palette.faint(`LAG is ${sparkLegend(watched.utf8)}.`)];
  return lines([...body, '', ...legend, ...seen(status, palette)]);
}

function lagCells(
  { resource, role }: VmStatus,
  palette: Palette,
  watched: Watched | undefined,
): Cell[] {
  if (watched === undefined) return [];
  const samples = role === 'primary' ? watched.lag.get(resource) : undefined;
  if (samples === undefined) return [{ text: '-' }];
  const text = sparkline(samples, spark_width.table, watched.utf8);
  return [{ text, paint: sparkPaint(samples, palette) }];
}

/** One VM, with all that is known about it where it runs, or else where it is. @param members of that VM, at least one */
export function vmDetails(
  status: Status,
  members: readonly Member[],
  palette: Palette,
  watched?: Watched,
): string {
  const [title = '', ...rows] = table(
    columns,
    members.map((one) => cells(one, palette)),
  );
  const vms = members.flatMap(({ vm }, index) => [rows[index] ?? '', ...notes(vm, palette)]);
  const facts = members
    .slice(0, 1)
    .flatMap(({ vm }) => [...vmFacts(vm), ...lagFacts(vm, palette, watched)]);
  const width = Math.max(...facts.map(([name]) => name.length));
  return lines([
    palette.strong(title),
    ...vms,
    '',
    ...facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
    '',
    ...seen(status, palette),
  ]);
}

function lagFacts(
  { resource }: VmStatus,
  palette: Palette,
  watched: Watched | undefined,
): [string, string][] {
  const samples = watched?.lag.get(resource);
  if (watched === undefined || samples === undefined) return [];
  const marks = sparkline(samples, spark_width.details, watched.utf8);
  return [
    ['Lag', sparkPaint(samples, palette)(marks)],
    ['', palette.faint(sparkLegend(watched.utf8))],
  ];
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}

function noVms(): string[] {
  return [
    'No VM is managed here yet. To add one:',
    '  crm configure help primitive, crm ra info ocf:xen:remus, or: pcs resource describe ocf:xen:remus',
  ];
}

function cells({ node, vm }: Member, palette: Palette): Cell[] {
  const newest = vm.role === 'backup' ? vm.checkpoint.complete : vm.checkpoint.acked;
  return [
    { text: vm.resource },
    { text: node },
    { text: vm.role },
    { text: stateWords(vm), paint: statePaint(vm, palette) },
    { text: count(newest) },
    { text: duration(vm.acked_age_ms) },
    { text: rate(vm.rate_per_s) },
  ];
}

/** The words of crm_mon, without the reason when that is said on the next line. */
function stateWords(vm: VmStatus): string {
  const { words, reason } = vm;
  if (reason === undefined) return words;
  if (words.endsWith(`: ${reason}`)) return words.slice(0, -reason.length - 2);
  return words.length > state_max ? (words.split(': ')[0] ?? words) : words;
}

const good = new Set(['protected', 'ready']);
const bad = new Set(['unprotected', 'failed', 'unknown', 'problem']);

function statePaint(vm: VmStatus, palette: Palette): Paint {
  if (vm.role === 'stopped') return palette.faint;
  if (good.has(vm.state)) return vm.netbuf_off === true ? palette.warn : palette.good;
  return bad.has(vm.state) || vm.role === 'unknown' ? palette.bad : palette.warn;
}

function notes(vm: VmStatus, palette: Palette): string[] {
  const why = vm.reason === undefined ? [] : [`  why: ${vm.reason}`];
  const next = vm.hint === undefined ? [] : [`  do:  ${palette.strong(vm.hint)}`];
  return [...why, ...next, ...outputNotes(vm, palette)];
}

/** It is protected, but not as its clients may believe. */
function outputNotes({ netbuf_off, resource }: VmStatus, palette: Palette): string[] {
  if (netbuf_off !== true) return [];
  return [
    palette.bad(
      '  OUTPUT IS NOT HELD (netbuf=off): a failover may lose what clients have already seen.',
    ),
    `  do:  ${palette.strong(`crm_resource -r ${resource} -d netbuf; remusctl resync ${resource}`)}`,
  ];
}

function vmFacts(vm: VmStatus): [string, string][] {
  const { checkpoint } = vm;
  const facts: [string, string][] = [
    ['Domain', vm.domain],
    ['Generation', count(vm.generation)],
  ];
  if (vm.role === 'primary') {
    facts.push([
      'Checkpoints',
      `${count(checkpoint.sent)} sent, ${count(checkpoint.acked)} acknowledged`,
    ]);
    facts.push(['Output', outputWords(vm)]);
    facts.push(['Guest paused', `${duration(vm.last_pause_ms)} at the last checkpoint`]);
    facts.push(['Acknowledged', `${duration(vm.last_ack_ms)} after its end`]);
    facts.push(['Data sent', bytes(vm.bytes_total)]);
    if (vm.wire !== undefined && vm.wire !== null) facts.push(...wireFacts(vm.wire));
  }
  if (vm.role === 'backup') {
    const { complete, applied } = checkpoint;
    facts.push(['Checkpoints', `${count(complete)} complete, ${count(applied)} in the replica`]);
    facts.push(['Data received', bytes(vm.bytes_total)]);
  }
  if (vm.paused !== undefined) facts.push(['Paused', pausedFact(vm.paused)]);
  if (vm.last_switchover !== undefined) {
    const { at, from, to, interruption_ms } = vm.last_switchover;
    const lasted = interruption_ms === null ? '' : `, interruption ${seconds(interruption_ms)}`;
    facts.push(['Last move', `${at}: ${from} to ${to}${lasted}`]);
  }
  return facts;
}

function outputWords({ held, netbuf_off }: VmStatus): string {
  if (netbuf_off === true) return 'not held (netbuf=off)';
  return held ? 'held until acknowledged' : 'not held';
}

/** When and where it was asked for; by whom and why stands above. */
function pausedFact({ at, node, until }: PauseStatus): string {
  const since = at === null ? 'since when is not known' : `since ${at}`;
  const typed = node === null ? '' : `, typed on ${node}`;
  return `${since}${typed}, until ${until ?? 'a resume'}`;
}

function wireFacts(wire: WireStatus): [string, string][] {
  const { last_bytes, last_stream_bytes, bytes_total, link_bytes_per_s } = wire;
  const last =
    last_bytes === null
      ? ''
      : `, ${bytes(last_bytes)} of ${bytes(last_stream_bytes)} at the last checkpoint`;
  const link = link_bytes_per_s === null ? '' : `, the link takes ${bytes(link_bytes_per_s)}/s`;
  const coding = wire.coding === 'off' ? '' : `, ${duration(wire.last_coding_ms)} for the last one`;
  return [
    ['On the wire', `${bytes(bytes_total)}${last}${link}`],
    ['Compression', `${wire.coding} (${wire.why})${coding}`],
  ];
}

function seen(status: Status, palette: Palette): string[] {
  return [
    seenFrom(status, palette),
    ...peerNotes(status, palette),
    ...fencingNotes(status.fencing, palette),
  ];
}

/** Who trusts in Remus trusts in fencing. */
function fencingNotes(fencing: Status['fencing'], palette: Palette): string[] {
  if (fencing === undefined || fencing === null) return [];
  if (!fencing.enabled)
    return [
      palette.bad('FENCING IS OFF: two copies of a VM could run.'),
      `  do:  ${palette.strong('remusctl doctor')}`,
    ];
  if (fencing.unproven.length === 0) return [];
  return [
    palette.warn(
      `Fencing is untested for ${fencing.unproven.join(', ')}: nobody has been seen to fence it since the cluster was started.`,
    ),
    `  do:  ${palette.strong('remusctl doctor')}`,
  ];
}

function seenFrom(status: Status, palette: Palette): string {
  const well = status.peers.filter((peer) => peer.reachable).map((peer) => peer.node);
  const answering = well.length === 0 ? '' : `; ${well.join(', ')} answers`;
  return palette.faint(`Seen from ${status.node}, remusd ${status.release}${answering}.`);
}

function peerNotes(status: Status, palette: Palette): string[] {
  return status.peers.filter((peer) => !peer.reachable).map((peer) => palette.bad(peerNote(peer)));
}

function peerNote(peer: PeerStatus): string {
  if (!peer.online) return `${peer.node} is offline${because(peer)}.`;
  return `${peer.node} is online, but its remusd cannot be asked${because(peer)}. On ${peer.node}: systemctl status remusd`;
}

function because(peer: PeerStatus): string {
  return peer.error === undefined ? '' : `: ${peer.error.replace(/\.$/, '')}`;
}
