/** What can be seen of a process under test from outside: its memory and its log. */
import { readFileSync, statSync } from 'node:fs';
import { must, mustBeSentence } from './target.js';

const PAGE_BYTES = 4096;
const MIB = 1024 * 1024;
/** Measured: 90 MiB at rest; V8 lets garbage lie for a while. */
const RSS_MIB_MAX = 320;

export function mustBeSmall(pid: number): void {
  const [, resident] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
  const mib = (Number(resident) * PAGE_BYTES) / MIB;
  must(mib < RSS_MIB_MAX, `${Math.round(mib)} MiB of memory`);
}

/** A log of one JSON object a line, read as it grows. */
export class LogWatch {
  readonly #path: string;
  #at = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** A stack is not JSON; a rejection that nobody handled is said. */
  check(): void {
    const { size } = statSync(this.#path);
    // Trimmed, or another one.
    if (size < this.#at) this.#at = 0;
    const text = readFileSync(this.#path).subarray(this.#at).toString('utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    this.#at += Buffer.byteLength(whole);
    for (const line of whole.split('\n')) if (line !== '') checkLine(line);
  }
}

function checkLine(line: string): void {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    must(false, `in its log: ${line}`);
  }
  must(fields['msg'] !== 'a failure was not handled', `in its log: ${line}`);
  must(!('stack' in fields), `in its log: ${line}`);
  for (const name of ['reason', 'why'])
    if (typeof fields[name] === 'string' && fields[name] !== '') mustBeSentence(fields[name]);
}
