/** The records of a live stream, from the sender that it passes through: on a line of its own, which it may drop. */
import { connect } from 'node:net';
import type { Clock } from '../ports.js';
import type { DumpCommand } from '../relay/control.js';
import { parseDumpLine, type DumpLine } from '../relay/dump-lines.js';
import type { DecodeEvent } from '../stream/decoder.js';
import { parseState } from './data-link.js';
import { errnoOf } from './errors.js';
import { LineSplitter } from './lines.js';
import { patient } from './patience.js';

const LINE_BYTES_MAX = 64 * 1024;
/** For its first words; and for its last, after the time of the dump itself. */
const ANSWER_MS = patient(5_000);

type Said = Extract<DumpLine, { type: 'dump-end' }>;

export type DumpOutcome =
  | Said
  /** It is of a former release, and was asked nothing. */
  | { readonly type: 'former' }
  /** Nobody listens there. */
  | { readonly type: 'gone' }
  /** It has closed the line without a last word: it was ended, or we were too slow for it. */
  | { readonly type: 'cut' }
  /** It says nothing: it hangs, or is stopped. */
  | { readonly type: 'silent' }
  /** It says what nobody understands. */
  | { readonly type: 'rubbish' };

export interface DumpWatch {
  readonly command: DumpCommand;
  readonly clock: Clock;
  readonly onEvents: (events: readonly DecodeEvent[]) => void;
  /** Nobody wants it any more: then the outcome is `cut`. */
  readonly abandoned: AbortSignal;
}

/** Asks the sender behind `path`. Never rejects. */
export function watchDump(path: string, watch: DumpWatch): Promise<DumpOutcome> {
  return new Promise((resolve) => {
    const { command, clock, abandoned } = watch;
    const socket = connect(path);
    const settle = (outcome: DumpOutcome): void => {
      timer.cancel();
      abandoned.removeEventListener('abort', leave);
      socket.destroy();
      resolve(outcome);
    };
    const leave = (): void => settle({ type: 'cut' });
    const silent = (): void => settle({ type: 'silent' });
    let timer = clock.after(ANSWER_MS, silent);
    const begun = (): void => {
      timer.cancel();
      timer = clock.after(command.timeout_ms + ANSWER_MS, silent);
    };
    const hear = hearer(watch, begun, (text) => void socket.write(text));
    const lines = new LineSplitter(LINE_BYTES_MAX, 'throw');
    socket.on('data', (chunk: Buffer) => {
      const outcome = firstOutcome(lines, chunk, hear);
      if (outcome !== null) settle(outcome);
    });
    socket.on('error', (error) => {
      const gone = ['ENOENT', 'ECONNREFUSED'].includes(errnoOf(error) ?? '');
      settle({ type: gone ? 'gone' : 'cut' });
    });
    socket.on('close', leave);
    abandoned.addEventListener('abort', leave);
    if (abandoned.aborted) leave();
  });
}

function firstOutcome(
  lines: LineSplitter,
  chunk: Buffer,
  hear: (text: string) => DumpOutcome | null,
): DumpOutcome | null {
  try {
    for (const text of lines.push(chunk)) {
      const outcome = hear(text);
      if (outcome !== null) return outcome;
    }
    return null;
  } catch {
    return { type: 'rubbish' };
  }
}

/** Its first line is its state, which says whether it knows the question. */
function hearer(
  { command, onEvents }: DumpWatch,
  begun: () => void,
  say: (text: string) => void,
): (text: string) => DumpOutcome | null {
  let asked = false;
  return (text) => {
    if (!asked) {
      const state = parseState(text);
      if (state?.role !== 'sender') return { type: 'rubbish' };
      if (state.dumps !== true) return { type: 'former' };
      asked = true;
      say(`${JSON.stringify(command)}\n`);
      return null;
    }
    const line = parseDumpLine(text);
    switch (line?.type) {
      case 'dump-end':
        return line;
      case 'dump-begun':
        begun();
        return null;
      case 'dump':
        onEvents(line.events);
        return null;
      case undefined:
        // It tells its state until it has read the question, and perhaps what nobody need understand.
        return text.includes('"type":"dump') ? { type: 'rubbish' } : null;
    }
  };
}
