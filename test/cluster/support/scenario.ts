/**
 * A test on real Pacemaker: a lab in which the VM is protected, an outside client that talks to it all the while, and the
 * two-copies watcher. A test does one thing to it and says what must come of it.
 *
 *     it('does this', scenario(async (s) => { ... }));
 *     after(leaveLab);
 *
 * A lab that is well is used again by the next test; after a failed test it is made anew.
 */
import { spawnSync } from 'node:child_process';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OutsideClient } from '../lab/client.js';
import { labCommand } from '../lab/command.js';
import { Lab, type LabOptions } from '../lab/lab.js';
import type { Watcher } from '../lab/watcher.js';
import { type Beginning, Observed, type Roles, recordOf, untilProtected } from './observed.js';
import { freshLab, healEverything } from './well.js';

export { VM, type Roles } from './observed.js';

/** The one lab of this process; only one can be up on a machine. */
const lab = new Lab();
let up = false;
/** The last test failed: who knows what is left in there. */
let suspect = false;

export const PATIENCE_MS = lab.patience_ms;

/** The record of the VM in a node's CIB; empty when there is none. */
export function readRecord(node: string): Promise<string> {
  return recordOf(lab, node);
}

/** What a test gets. */
export class Scenario extends Observed {
  declare readonly lab: Lab;
  readonly watcher: Watcher;

  constructor(began: Beginning, watcher: Watcher) {
    super(lab, began);
    this.watcher = watcher;
  }
}

let options: LabOptions = {};
let size = 2;

/** For `before`: how the labs of this file are made. */
export function labWith(wanted: LabOptions, nodes = 2): void {
  options = wanted;
  size = nodes;
}

async function wellLab(): Promise<Roles> {
  if (!up || suspect) {
    up = true; // from here on there is something to take down
    return freshLab(lab, size, options);
  }
  await healEverything(lab);
  return untilProtected(lab, 'the lab is protected again');
}

/** A lab in which the VM is protected and answers an outside client; the client's window begins here. */
export async function protectedLab(): Promise<Scenario> {
  const roles = await wellLab();
  suspect = true; // until the test has passed
  const watcher = await lab.watch();
  const client_log = join(mkdtempSync(join(logRoom(), 'client-')), 'answers.jsonl');
  const client = await lab.client({ log: client_log });
  const first = await lab.waitFor(
    'the guest answers the outside client',
    async () => (await client.report()).last ?? undefined,
    PATIENCE_MS,
  );
  await client.mark('test');
  return new Scenario({ roles, client, boot: first.boot, client_log }, watcher);
}

let room: string | undefined;
/** Logs of a failure are in the room: it stays. */
let keep_room = false;
function logRoom(): string {
  room ??= mkdtempSync(join(tmpdir(), 'remus-cluster-'));
  return room;
}

/** All that is known after a failure: both nodes' state in the message, the logs in a directory. */
async function explain(error: unknown, client: OutsideClient): Promise<never> {
  keep_room = true;
  const dir = mkdtempSync(join(logRoom(), 'failed-'));
  const trouble = (reason: unknown): string => `(not to be had: ${String(reason)})`;
  const text = error instanceof Error ? error.message : String(error);
  const state = text.includes('=== pm') ? '' : await lab.describe().catch(trouble);
  const seen = await client.report().then((report) => JSON.stringify(report), trouble);
  await lab.collectLogs(dir).catch(trouble);
  const full = new Error(`${text}\n${state}\nclient: ${seen}\nlogs: ${dir}`, { cause: error });
  const at =
    error instanceof Error
      ? (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
      : [];
  full.stack = [full.message, ...at].join('\n');
  throw full;
}

/** A test's body for `it`: the protected lab before it, P1 checked after it, all logs when it fails. */
export function scenario(body: (s: Scenario) => Promise<void>): () => Promise<void> {
  return async () => {
    const s = await protectedLab();
    try {
      await body(s);
      assert.deepEqual(s.watcher.sightings(), [], 'P1: the VM ran on two nodes');
      suspect = false;
    } catch (error) {
      await explain(error, s.client);
    } finally {
      await Promise.allSettled([s.client.stop(), s.watcher.stop()]);
    }
  };
}

/** For what brings the lab up and takes it down by itself. */
export function takeOverLab(): Lab {
  up = true;
  suspect = true;
  return lab;
}

/** For `after`: the lab goes away. */
export async function leaveLab(): Promise<void> {
  if (!up) return;
  await lab.down();
  up = false;
  labWith({});
  if (room === undefined || keep_room) return;
  rmSync(room, { recursive: true, force: true });
  room = undefined;
}

// A run that is interrupted runs no more hooks.
process.on('exit', () => {
  if (up) spawnSync(labCommand(), ['down'], { stdio: 'ignore', timeout: 30_000 });
});
