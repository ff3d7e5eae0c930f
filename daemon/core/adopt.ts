/**
 * A VM found running where the cluster had not started it: the sysadmin ran `xl create` before putting it
 * into the cluster. Pacemaker's probe hears "running" and takes the node as promoted; so do we.
 * stopped -> adopting(register -> read -> claim) -> primary
 */
import type { Done } from './event.js';
import { enterPrimary } from './primary.js';
import { claimAfter, NO_RECORD, parseRecord } from './record.js';
import type { Guest, Phase, VmConfig } from './state.js';
import { Turn } from './turn.js';

type Adopting = Extract<Phase, { kind: 'adopting' }>;

export function adopt(turn: Turn, config: VmConfig, guest: Guest): void {
  turn.note('found running outside of the cluster: taking it over', { domain: config.domain });
  turn.patch({ config });
  turn.to({
    kind: 'adopting',
    guest,
    step: 'register',
    record: null,
    tag: turn.run({ task: 'register', config }),
  });
}

export function adoptingDone(turn: Turn, phase: Adopting, event: Done): void {
  switch (phase.step) {
    case 'register':
      turn.to({ ...phase, step: 'read', tag: turn.run({ task: 'read-record', at: 'dc' }) });
      return;
    case 'read': {
      if (event.task !== 'read-record') return;
      const before = parseRecord(event.value) ?? NO_RECORD;
      const record = claimAfter(before, before.generation + 1, turn.state.node);
      const tag = turn.run({ task: 'write-record', record, before: event.value });
      turn.to({ ...phase, step: 'claim', record, tag });
      return;
    }
    case 'claim':
      enterPrimary(turn, phase.record?.generation ?? 1, 'found running, just taken over');
  }
}

export function adoptingFailed(turn: Turn, phase: Adopting, error: string): void {
  turn.note('taking over failed; trying again', { step: phase.step, error });
  turn.to({ ...phase, tag: turn.timer(2_000) });
}

export function adoptingTimer(turn: Turn, phase: Adopting, tag: number): void {
  if (tag === phase.tag) adopt(turn, turn.config, phase.guest);
}
