/** A VM's state as remusctl, D-Bus and peers are told it. */
import type { VmStatus, WireStatus } from '../ctl/status.js';
import { isPaused, isUnheld, restarts, RESYNC } from './core/policy.js';
import { type Pause, pauseWords } from './core/pause-record.js';
import { words } from './core/view.js';
import type { Phase, Protection, State } from './core/state.js';
import type { SenderStats } from './relay/control.js';
import type { Vm } from './vm.js';

interface Word {
  readonly state: string;
  readonly well: boolean;
}

export function vmStatus(vm: Vm, switched_at: string | null): VmStatus {
  const { state } = vm.driver;
  const { sender, receiver } = vm.plane;
  const { state: word, well } = wordOf(state);
  const text = words(state) ?? 'stopped';
  const hint = well ? undefined : hintFor(state, text);
  const last = state.last_switchover;
  const paused = pauseIn(state);
  return {
    resource: state.resource,
    domain: state.config?.domain ?? state.resource,
    role: roleOf(state.phase),
    state: word,
    words: text,
    ...(well ? {} : { reason: paused === null ? reasonIn(text) : pauseWords(paused) }),
    ...(hint === undefined ? {} : { hint }),
    peer: peerOf(state.phase),
    generation: generationOf(state.phase),
    checkpoint: {
      sent: sender?.stats.sent ?? null,
      acked: sender?.stats.acked ?? null,
      complete: receiver?.complete ?? null,
      applied: receiver?.applied ?? null,
    },
    acked_age_ms: sender?.stats.acked_age_ms ?? null,
    rate_per_s: sender?.stats.rate_per_s ?? null,
    last_pause_ms: sender?.stats.last_pause_ms ?? null,
    last_ack_ms: sender?.stats.last_ack_ms ?? null,
    bytes_total: sender?.stats.bytes_total ?? receiver?.bytes_total ?? null,
    wire: wireOf(sender?.stats),
    held: heldNow(state, sender?.holding ?? false),
    ...(restarts(state.config) ? { mode: 'restart' } : {}),
    ...(unheldNow(state) ? { netbuf_off: true } : {}),
    ...(last === null || switched_at === null
      ? {}
      : { last_switchover: { at: switched_at, ...last } }),
    ...(paused === null ? {} : { paused }),
  };
}

/** Only the node that runs the VM knows it. */
function pauseIn({ phase, paused }: State): Pause | null {
  return phase.kind === 'primary' && isPaused(phase.protection) ? paused : null;
}

function wireOf(stats: SenderStats | undefined): WireStatus | null {
  if (stats?.wire === undefined) return null;
  return { ...stats.wire, last_stream_bytes: stats.last_bytes };
}

/** What comes after the state: `unprotected: peer pm2 is offline`. */
function reasonIn(text: string): string {
  return (
    /^(?:unprotected(?:, output held|, output not held \(netbuf=off\))?|no replica|stopped): (.+)$/.exec(
      text,
    )?.[1] ?? text
  );
}

export function roleOf(phase: Phase): VmStatus['role'] {
  switch (phase.kind) {
    case 'stopped':
    case 'stopping':
      return 'stopped';
    case 'primary':
    case 'adopting':
    case 'demoting':
    case 'guest-ended':
      return 'primary';
    default:
      return 'backup';
  }
}

function wordOf({ phase, config }: State): Word {
  switch (phase.kind) {
    case 'primary':
      return (
        (restarts(config) ? moveWord(phase.protection) : null) ?? protectionWord(phase.protection)
      );
    case 'replica':
      if (phase.receiver.unfed) return { state: 'not-fed', well: false };
      if (phase.receiver.phase !== 'ready') return { state: 'receiving', well: true };
      return phase.receiver.connected
        ? { state: 'ready', well: true }
        : { state: 'ready-disconnected', well: false };
    case 'idle':
      return { state: 'no-replica', well: !phase.problem };
    case 'guest-ended':
      return { state: phase.kind, well: false };
    default:
      return { state: phase.kind, well: true };
  }
}

/** mode=restart; null: of a replica that there still is. */
function moveWord(protection: Protection): Word | null {
  switch (protection.kind) {
    case 'none':
    case 'abandoning':
      return { state: 'not-replicated', well: true };
    case 'preparing':
    case 'launching':
    case 'seeding':
      return { state: 'moving', well: true };
    case 'granting':
    case 'protected':
    case 'withdrawing':
      return null;
  }
}

function protectionWord(protection: Protection): Word {
  switch (protection.kind) {
    case 'protected':
      return { state: 'protected', well: true };
    case 'granting':
      if (protection.again !== null) return { state: 'unprotected', well: false };
      return { state: 'seeding', well: true };
    case 'seeding':
      return { state: 'seeding', well: true };
    case 'withdrawing':
      return { state: 'withdrawing', well: false };
    case 'none':
    case 'preparing':
    case 'launching':
    case 'abandoning':
      return { state: 'unprotected', well: false };
  }
}

function peerOf(phase: Phase): string | null {
  switch (phase.kind) {
    case 'replica':
    case 'preparing-replica':
      return phase.from;
    case 'demoting':
      return phase.run?.peer.node ?? null;
    case 'primary':
      return protectionPeer(phase.protection);
    default:
      return null;
  }
}

function protectionPeer(protection: Protection): string | null {
  if (protection.kind === 'none') return null;
  return 'run' in protection ? protection.run.peer.node : (protection.peer?.node ?? null);
}

function generationOf(phase: Phase): number | null {
  if ('generation' in phase) return phase.generation;
  return phase.kind === 'replica' ? phase.replica.generation : null;
}

/** Output is also held by a sender that is dead already: until it has been lifted. */
function heldNow(state: State, holding: boolean): boolean {
  const { phase } = state;
  if (unheldNow(state)) return false;
  return holding || (phase.kind === 'primary' && phase.protection.kind === 'withdrawing');
}

/** netbuf=off, of the replication that is, or of the one that is being ended. What a move's copy has seen, nobody forgets. */
function unheldNow({ phase, config }: State): boolean {
  if (restarts(config)) return false;
  if (phase.kind === 'demoting') return phase.run !== null && isUnheld(phase.run);
  if (phase.kind !== 'primary') return false;
  const { protection } = phase;
  if (protection.kind === 'withdrawing') return protection.unheld;
  return 'run' in protection && isUnheld(protection.run);
}

const FENCED = 'crm_mon -1Arf   (is the peer being fenced?)';

/** What to type next. It replication comes back by itself, the hint says where to look why not. */
function hintFor(state: State, text: string): string | undefined {
  const { phase, resource } = state;
  const daemon = /remusd does not run on (\S+)/.exec(text);
  if (daemon?.[1] !== undefined) return `on ${daemon[1]}: systemctl start remusd`;
  const offline = /peer (\S+) is offline/.exec(text);
  if (offline?.[1] !== undefined)
    return `boot ${offline[1]} and start its cluster: pcs cluster start ${offline[1]}`;
  const standby = /peer (\S+) is in standby/.exec(text);
  if (standby?.[1] !== undefined)
    return `pcs node unstandby ${standby[1]}   (or: crm node online ${standby[1]})`;
  const older = /speaks protocol .*: upgrade it on (this node|\S+)/.exec(text);
  if (older?.[1] !== undefined)
    return `on ${older[1] === 'this node' ? state.node : older[1]}: apt install pacemaker-remus; it is tried again by itself`;
  if (/differs between/.test(text))
    return 'copy the file to the other node, then wait: protection is tried again by itself';
  if (/is not started on (\S+)/.test(text)) return `crm_resource --why -r ${resource}`;
  if (/^unprotected: (?:the cluster has no other node|no other node is online)/.test(text))
    return 'crm_mon -1';
  if (/by the record in the CIB \S+ was promoted since/.test(text)) return 'crm_mon -1rf';
  if (text === `unprotected: ${RESYNC}`) return `remusctl status ${resource} --watch`;
  if (phase.kind === 'guest-ended') return 'crm_mon -1rf';
  if (phase.kind === 'primary' && phase.protection.kind === 'withdrawing') return FENCED;
  if (/is neither a member nor fenced yet$/.test(text)) return FENCED;
  if (phase.kind === 'primary' && isPaused(phase.protection)) return `remusctl resume ${resource}`;
  if (phase.kind === 'replica' && phase.receiver.unfed)
    return `on ${phase.from || 'the other node'}: remusctl status ${resource}   (is the replication link up?)`;
  return 'journalctl -u remusd -n 50';
}
