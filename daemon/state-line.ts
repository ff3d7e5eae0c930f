/** The one line that the journal has of each state change of a VM: a sentence for people, fields for journalctl and for programs. */
import type { VmStatus } from '../ctl/status.js';
import type { Logger } from './adapters/log.js';

export interface StateLine {
  /** `vm1: unprotected: peer pm2 is offline (was: protected)`. */
  readonly sentence: string;
  readonly well: boolean;
  readonly vm: string;
  readonly role: string;
  /** One word, as in `remusctl status --json`. */
  readonly state: string;
  /** As in crm_mon. */
  readonly words: string;
  /** The words before; null: remusd has just come to know the VM. */
  readonly was: string | null;
  readonly reason: string | null;
  readonly peer: string | null;
  /** Of the promotion; null where it is not known. */
  readonly generation: number | null;
}

/** @param was the words of the line before. @returns null when there is no other state: a first copy only goes on. */
export function stateLine(status: VmStatus, was: string | null): StateLine | null {
  const { resource: vm, role, state, words, reason = null, peer, generation } = status;
  if (was !== null && unnumbered(words) === unnumbered(was)) return null;
  const before = was === null ? '' : ` (was: ${was})`;
  return {
    sentence: `${vm}: ${words}${before}`,
    well: reason === null,
    ...{ vm, role, state, words, was, reason, peer, generation },
  };
}

function unnumbered(words: string): string {
  return words.replace(/^syncing \d+%$/, 'syncing');
}

/** `journalctl MESSAGE_ID=...` shows the state changes of all VMs. It never changes. */
export const STATE_MESSAGE_ID = '6649479753f041ec9c5d2aad611f580c';

/** As the journal's own fields. A field without a value is left out there. */
export function journalFields(line: StateLine): Readonly<Record<string, string>> {
  const { sentence, well, vm, role, state, words, was, reason, peer, generation } = line;
  return {
    MESSAGE: sentence,
    MESSAGE_ID: STATE_MESSAGE_ID,
    // syslog's numbers: a warning, or an information
    PRIORITY: well ? '6' : '4',
    REMUS_VM: vm,
    REMUS_ROLE: role,
    REMUS_STATE: state,
    REMUS_WORDS: words,
    REMUS_WAS: was ?? '',
    REMUS_REASON: reason ?? '',
    REMUS_PEER: peer ?? '',
    REMUS_GENERATION: generation === null ? '' : String(generation),
  };
}

/** Without a journal: one line of the log. */
export function logState(log: Logger, { sentence, well, ...fields }: StateLine): void {
  log[well ? 'info' : 'warn']('state', { ...fields, sentence });
}
