/** The status for people: one line a VM, and below a VM that is not well why, and what to type. Pure. */
import type { PeerStatus, Status, VmStatus } from '../status.js';
import type { Paint, Palette } from './paint.js';
import { table } from './text.js';
import type { Cell, Column } from './text.js';
import { bytes, count, duration, rate, seconds } from './units.js';

const columns: readonly Column[] = [
  { title: 'VM' },
  { title: 'ROLE' },
  { title: 'PEER' },
  { title: 'STATE' },
  { title: 'CHECKPOINT', right: true },
  { title: 'AGE', right: true },
  { title: 'RATE', right: true },
];

/** Longer states are cut at their colon: the reason stands on the next line. */
const state_max = 36;

/** All VMs. */
export function statusTable(status: Status, palette: Palette): string {
  const [title = '', ...rows] = table(
    columns,
    status.vms.map((vm) => cells(vm, palette)),
  );
  const vms = status.vms.flatMap((vm, index) => [rows[index] ?? '', ...notes(vm, palette)]);
  const body = status.vms.length === 0 ? noVms() : [palette.strong(title), ...vms];
  return lines([...body, '', ...seen(status, palette)]);
}

/** One VM, with all that is known about it. */
export function vmDetails(status: Status, vm: VmStatus, palette: Palette): string {
  const rows = table(columns, [cells(vm, palette)]);
  const facts = vmFacts(vm);
  const width = Math.max(...facts.map(([name]) => name.length));
  return lines([
    palette.strong(rows[0] ?? ''),
    rows[1] ?? '',
    ...notes(vm, palette),
    '',
    ...facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
    '',
    ...seen(status, palette),
  ]);
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

function cells(vm: VmStatus, palette: Palette): Cell[] {
  const newest = vm.role === 'backup' ? vm.checkpoint.complete : vm.checkpoint.acked;
  return [
    { text: vm.resource },
    { text: vm.role },
    { text: vm.peer ?? '-' },
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
  if (good.has(vm.state)) return palette.good;
  return bad.has(vm.state) || vm.role === 'unknown' ? palette.bad : palette.warn;
}

function notes(vm: VmStatus, palette: Palette): string[] {
  const why = vm.reason === undefined ? [] : [`  why: ${vm.reason}`];
  const next = vm.hint === undefined ? [] : [`  do:  ${palette.strong(vm.hint)}`];
  return [...why, ...next];
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
    facts.push(['Output', vm.held ? 'held until acknowledged' : 'not held']);
    facts.push(['Guest paused', `${duration(vm.last_pause_ms)} at the last checkpoint`]);
    facts.push(['Acknowledged', `${duration(vm.last_ack_ms)} after its end`]);
    facts.push(['Data sent', bytes(vm.bytes_total)]);
  }
  if (vm.role === 'backup') {
    const { complete, applied } = checkpoint;
    facts.push(['Checkpoints', `${count(complete)} complete, ${count(applied)} in the replica`]);
    facts.push(['Data received', bytes(vm.bytes_total)]);
  }
  if (vm.last_switchover !== undefined) {
    const { at, from, to, interruption_ms } = vm.last_switchover;
    const lasted = interruption_ms === null ? '' : `, interruption ${seconds(interruption_ms)}`;
    facts.push(['Last move', `${at}: ${from} to ${to}${lasted}`]);
  }
  return facts;
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
