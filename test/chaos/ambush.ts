/** Faults that wait for the worst moment: what a node's log or the lab's events say the instant before. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../cluster/lab/lab.js';
import type { Moment } from './schedule.js';

/** The lines that show it. If a message is worded anew its moment comes no more: test/unit/chaos sees that they are there. */
export const SIGNS: Readonly<
  Record<Moment, { readonly of: 'remusd' | 'lab'; readonly line: RegExp }>
> = {
  seeding: { of: 'remusd', line: /"msg":"replicating"/ },
  grant: { of: 'remusd', line: /"msg":"granted: the replica may be promoted"/ },
  withdrawal: { of: 'remusd', line: /"msg":"protection lost: withdrawing the grant, output held"/ },
  handover: { of: 'remusd', line: /"msg":"handing over the last acknowledged checkpoint"/ },
  promotion: {
    of: 'remusd',
    line: /"msg":"will (activate the replica|start from the configuration)"/,
  },
  activation: { of: 'remusd', line: /"msg":"activated: the VM runs from the last complete/ },
  fencing: { of: 'lab', line: /fence_remuslab\S* (reboot|off) \S+ begin/ },
};

const LOOK_EVERY_MS = 20;
/** More than a node says in that time. */
const NEWS_MAX = 1 << 20;

/** What is appended to a file from now on. */
class News {
  readonly #path: string;
  #at: number;

  constructor(path: string) {
    this.#path = path;
    this.#at = this.#read((file) => fstatSync(file).size) ?? 0;
  }

  next(): string {
    const text = this.#read((file) => {
      const room = Buffer.alloc(Math.min(NEWS_MAX, Math.max(0, fstatSync(file).size - this.#at)));
      const bytes = readSync(file, room, 0, room.length, this.#at);
      this.#at += bytes;
      return room.toString('utf8', 0, bytes);
    });
    return text ?? '';
  }

  /** Undefined when there is no file (yet). */
  #read<T>(body: (file: number) => T): T | undefined {
    let file: number;
    try {
      file = openSync(this.#path, 'r');
    } catch {
      return undefined;
    }
    try {
      return body(file);
    } finally {
      closeSync(file);
    }
  }
}

function files(lab: Lab, of: 'remusd' | 'lab'): string[] {
  if (of === 'lab') return [join(lab.dir, 'rack', 'events.log')];
  return lab.nodes().map((node) => join(lab.dir, 'nodes', node, 'upper/var/log/remusd.log'));
}

/** Resolves right after the next time that it happens, anywhere; rejects when it does not in time. */
export async function untilHappens(lab: Lab, moment: Moment, patience_ms: number): Promise<void> {
  const { of, line } = SIGNS[moment];
  const news = files(lab, of).map((path) => new News(path));
  const until_ms = performance.now() + patience_ms;
  while (performance.now() < until_ms) {
    if (news.map((one) => one.next()).some((text) => line.test(text))) return;
    await sleep(LOOK_EVERY_MS);
  }
  throw new Error(`there was no ${moment} to wait for`);
}
