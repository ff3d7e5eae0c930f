/**
 * The language of the transcripts. A line `> WORDS` is an event; `# ...` a remark; `given WORDS; WORDS; ...`
 * events whose outcome is not shown. Names stand for the newest outstanding task of that name, `#N` for a tag.
 *   start stop promote demote monitor probe reload   `switchover [NODE]`
 *   `ok TASK [VALUE]`  `fail TASK WHY`   look: absent running suspended poweroff reboot crash [incoming]
 *   `timer #N` or `timer MS` (the newest of that length)    `at MS` moves the clock
 *   `sender PHASE [acked N] [held|holding-none|netbuf-off] [percent N] [drained N] [of SESSION]`  `sender-gone [of SESSION] WHY`
 *   `receiver PHASE [complete N] [lost] [silent MS]`  `receiver-gone WHY`   `prepare G/SESSION [from NODE]`  `drop G/SESSION`
 *   `resync`  `pause [until HH:MM] [why WORDS]`  `resume`  `paused G` `unpaused G` (from the primary)   `ok write-pause [same]`
 *   `ok find-peers paused [PEER...]`, `... paused-true` (of a former release), `... paused-left=MS` (of one with an end), `... session=ID`
 *   `cib-changed`  `speaks NODE WHY` `understood NODE` (a peer's remusd)
 *   `activated NODE`    `recovered KEY=VALUE ...`    `config KEY=VALUE` (no event: the parameters)
 */
import {
  formatPause,
  parsePause,
  type FoundPause,
  type Pause,
} from '../../daemon/core/pause-record.js';
import { parseRecord } from '../../daemon/core/record.js';
import type { Event } from '../../daemon/core/event.js';
import type { TaskName, TaskResults } from '../../daemon/core/effect.js';
import type { Look, VmConfig } from '../../daemon/core/state.js';
import type { ReceiverPhase, ReplicaId, SenderPhase } from '../../daemon/relay/control.js';
import { CONFIG, peerNamed, receiverState, Rig, senderState } from '../unit/core/rig.js';
import { printEffect, printState } from './print.js';

const GIVENS: Readonly<Record<string, string>> = {
  idle: 'start; ok look absent; ok clean; ok register',
  alone: 'promote; ok read-record; ok write-record; ok clean; ok create; ok look running',
  seeding:
    'timer 200; ok find-peers pm2; ok prepare-peer; ok launch-remus; sender first-copy percent 40',
  granting: 'sender flowing acked 2 held',
  protected: 'ok grant',
  replica: 'prepare 1/aaaa0009; ok clean; ok launch-receiver',
  ready: 'receiver ready complete 4',
};
const ORDER = ['idle', 'alone', 'seeding', 'granting', 'protected'];

export function replay(text: string): string {
  const script = new Script();
  const out: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('> ')) {
      out.push(line, ...script.shown(line.slice(2)));
    } else if (line.startsWith('given ')) {
      out.push(line);
      script.given(line.slice(6));
    } else if (line.startsWith('#') || line === '') {
      out.push(line);
    } else if (!line.startsWith('  ')) {
      throw new Error(`"${line}" is neither an event nor an outcome`);
    }
  }
  return out.join('\n');
}

class Script {
  #config: VmConfig = CONFIG;
  #rig = new Rig();

  shown(words: string): string[] {
    if (this.#setting(words)) return [];
    const effects = this.#rig.post(this.#event(words));
    return [printState(this.#rig.state), ...effects.map(printEffect)].map((line) => `  ${line}`);
  }

  /** A list of events, or the name of a stage with all that is before it. `given new` begins anew. */
  given(words: string): void {
    if (words === 'new') {
      this.#rig = new Rig();
      this.#config = CONFIG;
      return;
    }
    const upto = ORDER.indexOf(words);
    const stages =
      upto >= 0
        ? ORDER.slice(0, upto + 1)
        : words === 'replica' || words === 'ready'
          ? ['idle', 'replica', ...(words === 'ready' ? ['ready'] : [])]
          : null;
    const events = stages === null ? [words] : stages.map((stage) => GIVENS[stage] ?? '');
    for (const one of events.join('; ').split('; '))
      if (!this.#setting(one)) this.#rig.post(this.#event(one));
  }

  #setting(words: string): boolean {
    const [verb = '', ...rest] = words.split(' ');
    if (verb === 'at') {
      this.#rig.now_ms = Number(rest[0]);
      return true;
    }
    if (verb !== 'config') return false;
    this.#config = { ...this.#config, ...pairs(rest) };
    return true;
  }

  #event(words: string): Event {
    const [verb = '', ...rest] = words.split(' ');
    const rig = this.#rig;
    const config = this.#config;
    switch (verb) {
      case 'start':
      case 'stop':
      case 'reload':
        return { type: `op-${verb}`, op: rig.op(), config };
      case 'promote':
      case 'demote':
      case 'resume':
        return { type: `op-${verb}`, op: rig.op() };
      case 'pause':
        return { type: 'op-pause', op: rig.op(), pause: pauseWith(rest) };
      case 'resync':
        return { type: 'op-resync', op: rig.op(), asker: { by: 'root', node: 'pm2' } };
      case 'monitor':
      case 'probe':
        return { type: 'op-monitor', op: rig.op(), config, probe: verb === 'probe' };
      case 'switchover':
        return { type: 'op-switchover', op: rig.op(), to: rest[0] ?? null };
      case 'ok':
        return this.#done(rest);
      case 'fail':
        return this.#failed(rest);
      case 'timer':
        return this.#timer(rest[0] ?? '');
      case 'recovered':
        return this.#recovered(pairs(rest));
      default:
        return this.#news(verb, rest);
    }
  }

  #tag(word: string): { readonly tag: number; readonly task: TaskName } {
    const task = word.startsWith('#') ? undefined : (word as TaskName);
    const tag = task === undefined ? Number(word.slice(1)) : this.#rig.tagOf(task);
    if (tag === null) throw new Error(`no task ${word} is outstanding`);
    const found = this.#rig.outstanding.get(tag)?.task ?? task ?? 'look';
    this.#rig.outstanding.delete(tag);
    return { tag, task: found };
  }

  #done([word = '', ...value]: readonly string[]): Event {
    const { tag, task } = this.#tag(word);
    return { type: 'done', tag, task, value: valueOf(task, value) } as Event;
  }

  #failed([word = '', ...why]: readonly string[]): Event {
    return { type: 'failed', ...this.#tag(word), error: why.join(' ') };
  }

  #timer(word: string): Event {
    const timers = [...this.#rig.timers.values()];
    const tag = word.startsWith('#')
      ? Number(word.slice(1))
      : timers.findLast((one) => one.ms === Number(word))?.tag;
    if (tag === undefined) throw new Error(`no timer of ${word} ms`);
    const timer = this.#rig.timers.get(tag);
    this.#rig.timers.delete(tag);
    this.#rig.now_ms = Math.max(this.#rig.now_ms, timer?.due_ms ?? 0);
    return { type: 'timer', tag };
  }

  #news(verb: string, rest: readonly string[]): Event {
    const rig = this.#rig;
    const fed = { generation: rig.fed?.generation ?? 1, session: rig.fed?.session ?? 'aaaaaaaa' };
    const held = rig.held ?? { generation: 1, session: 'aaaa0009' };
    const text = rest.join(' ');
    switch (verb) {
      case 'sender':
        return { type: 'sender', state: senderWords(fed, rest) };
      case 'sender-gone':
        return rest[0] === 'of'
          ? { type: 'sender-gone', session: rest[1] ?? '', reason: rest.slice(2).join(' ') }
          : { type: 'sender-gone', session: fed.session, reason: text };
      case 'receiver': {
        const complete = numberAfter(rest, 'complete');
        const phase = rest[0] as ReceiverPhase;
        return {
          type: 'receiver',
          state: receiverState(
            ...([
              held,
              phase,
              complete,
              !rest.includes('lost'),
              numberAfter(rest, 'silent'),
            ] as const),
          ),
        };
      }
      case 'receiver-gone':
        return { type: 'receiver-gone', session: held.session, reason: text };
      case 'prepare':
        return {
          ...{ type: 'peer-prepare', request: 77 },
          from: rest[2] ?? 'pm2',
          replica: replicaOf(rest[0] ?? ''),
        };
      case 'drop':
        return {
          type: 'peer-drop',
          replica: replicaOf(rest[0] ?? ''),
          paused: rest[1] === 'paused',
        };
      case 'paused':
      case 'unpaused':
        return {
          type: 'peer-paused',
          from: 'pm2',
          generation: Number(text),
          paused: verb === 'paused',
        };
      case 'activated':
        return { type: 'peer-activated', node: text, generation: 2 };
      case 'cib-changed':
        return { type: 'configuration-changed' };
      case 'speaks':
        return { type: 'peer-version', from: rest[0] ?? '', problem: rest.slice(1).join(' ') };
      case 'understood':
        return { type: 'peer-version', from: text, problem: null };
      default:
        throw new Error(`"${verb}" is not an event; see the head of replay.ts`);
    }
  }

  #recovered(keys: Readonly<Record<string, string>>): Event {
    const { guest = 'absent', replica = '3/cccc0001' } = keys;
    const record = keys['record']?.replaceAll('_', ' ').replaceAll(':', '=') ?? null;
    const id = replicaOf(replica);
    const sender = keys['sender']?.split('_');
    const [phase, complete = '0'] = keys['receiver']?.split('_') ?? [];
    this.#rig.fed = id;
    this.#rig.held = id;
    return {
      type: 'recovered',
      findings: {
        config: this.#config,
        look: lookOf([guest, ...(keys['incoming'] === undefined ? [] : ['incoming'])]),
        record: record === null ? null : parseRecord(record),
        sender: sender === undefined ? null : senderWords(id, sender),
        receiver:
          phase === undefined ? null : receiverState(id, phase as ReceiverPhase, Number(complete)),
        peer: keys['peer'] === undefined ? null : peerNamed(keys['peer']),
        replica: keys['peer'] === undefined && keys['from'] === undefined ? null : id,
        unheld: keys['netbuf'] === 'off',
        move: keys['move'] === 'yes',
        from: keys['from'] ?? null,
        paused: keys['paused'] === 'yes' ? pauseWith([]) : null,
        leaving: keys['leaving'] === 'yes',
        was_primary: keys['was'] === 'primary',
        handing_over: keys['was'] === 'handing-over',
        generation: Number(keys['generation'] ?? 0),
      },
    };
  }
}

function pairs(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => word.split('=', 2) as [string, string]));
}

function replicaOf(text: string): ReplicaId {
  const [generation = '', session = ''] = text.split('/');
  return { generation: Number(generation), session };
}

function numberAfter(words: readonly string[], word: string): number {
  const at = words.indexOf(word);
  return at < 0 ? 0 : Number(words[at + 1]);
}

function senderWords(fed: ReplicaId, words: readonly string[]): ReturnType<typeof senderState> {
  const of = words.indexOf('of');
  const replica = of < 0 ? fed : { ...fed, session: words[of + 1] ?? '' };
  return senderState(replica, {
    phase: words[0] as SenderPhase,
    acked: numberAfter(words, 'acked'),
    holding: words.includes('held'),
    holding_none: words.includes('holding-none') || words.includes('netbuf-off'),
    netbuf_off: words.includes('netbuf-off'),
    ...(words.includes('percent') ? { percent: numberAfter(words, 'percent') } : {}),
    ...(words.includes('drained') ? { drained: numberAfter(words, 'drained') } : {}),
  });
}

function lookOf(words: readonly string[]): Look {
  const [word = 'absent'] = words;
  const incoming = words.includes('incoming');
  switch (word) {
    case 'absent':
      return { guest: { kind: 'absent' }, incoming };
    case 'running':
    case 'paused':
    case 'suspended':
      return { guest: { kind: word, domid: 7 }, incoming };
    default:
      return {
        guest: { kind: 'ended', domid: 7, how: word as 'poweroff' | 'reboot' | 'crash' },
        incoming,
      };
  }
}

/** `until 14:00 why storage work`: by root on pm1, at noon. */
function pauseWith(words: readonly string[]): Pause {
  const [, until = null, why = null] =
    /^(?:until (\S+) ?)?(?:why (.+))?$/.exec(words.join(' ')) ?? [];
  const on = (time: string): string => `2026-11-23T${time}:00Z`;
  return {
    by: 'root',
    node: 'pm1',
    at: on('12:00'),
    until: until === null ? null : on(until),
    why,
  };
}

/** The peers are the words that are nothing else. */
function foundPeers(words: readonly string[]): TaskResults['find-peers'] {
  const session = words.find((word) => word.startsWith('session='))?.slice(8) ?? 'aaaaaaaa';
  if (words[0] === 'none')
    return { peers: [], none_because: words.slice(1).join(' '), session, paused: null };
  const peers = words.filter((word) => !/^(paused|session=)/.test(word)).map(peerNamed);
  return { peers, none_because: '', session, paused: foundPause(words[0] ?? '') };
}

function foundPause(word: string): FoundPause | null {
  const [kind = '', left] = word.split('=');
  if (!kind.startsWith('paused')) return null;
  if (kind === 'paused-true') return { pause: parsePause('true'), text: 'true', left_ms: null };
  const pause = pauseWith(left === undefined ? [] : ['until', '14:00']);
  return { pause, text: formatPause(pause), left_ms: left === undefined ? null : Number(left) };
}

/** What a task brings back, from the words after it. */
function valueOf(task: TaskName, words: readonly string[]): unknown {
  const text = words.join(' ');
  switch (task) {
    case 'look':
      return lookOf(words);
    case 'read-record':
      return text === '' ? null : text;
    case 'membership':
      return text;
    case 'find-peers':
      return foundPeers(words);
    case 'write-pause':
      return { changed: text !== 'same' };
    case 'prepare-peer':
    case 'launch-receiver':
      return { port: 40_001 };
    case 'ask-backup':
      return { problem: text === '' ? null : text };
    case 'planned-promotion':
      return { node: text === 'nowhere' ? null : text };
    default:
      return undefined;
  }
}
