/**
 * A test on real Xen: two hosts between which the VM is protected, an outside client that talks to it all the while, and the
 * two-copies watcher. The lab is made once for all files of a run, and stays well or is made anew.
 *
 *     it('does this', xenScenario(async (s) => { ... }));
 */
import { spawnSync } from 'node:child_process';
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Beginning, Observed, VM, untilProtected } from '../../cluster/support/observed.js';
import { measure } from '../../cluster/support/measures.js';
import { claim } from './claim.js';
import { XenLab, type XenSuite, xenLabCommand } from './xen-lab.js';
import { XenWatcher } from './watcher.js';

/** Debian's release in the hosts; `npm run test:xen -- --suite` sets it. */
export const SUITE = (process.env.REMUS_XEN_SUITE ?? 'bookworm') as XenSuite;

/** Whether the guest's output is held; `npm run test:xen -- --netbuf` sets it. */
export const NETBUF = process.env.REMUS_XEN_NETBUF === 'off' ? 'off' : 'on';

const lab = new XenLab();
let up = false;
/** The last test failed: who knows what is left in there. */
let suspect = false;
let room: string | undefined;

function logRoom(): string {
  room ??= process.env.REMUS_XEN_LOGS ?? mkdtempSync(join(tmpdir(), 'remus-xen-'));
  return room;
}

/** What a test gets. */
export class XenScenario extends Observed {
  declare readonly lab: XenLab;
  readonly watcher: XenWatcher;

  constructor(began: Beginning, watcher: XenWatcher) {
    super(lab, began);
    this.watcher = watcher;
  }
}

async function freshLab(): Promise<void> {
  const began_ms = performance.now();
  await lab.down();
  up = true; // from here on there is something to take down
  await lab.up(SUITE);
  const ready_ms = performance.now();
  measure('lab ready (image, boot, product, cluster)', { ms: Math.round(ready_ms - began_ms) });
  await lab.vmConfig(VM);
  // A checkpoint takes longer than the default interval here: its rest belongs to the guest and to everything else. And an
  // emulated processor is slower at coding than the link is.
  const params = { interval: '1000', compression: 'off' };
  await lab.addVm(VM, NETBUF === 'off' ? { ...params, netbuf: NETBUF } : params);
  await untilProtected(lab, 'the VM is protected on a fresh lab');
  measure('added to protected', { ms: Math.round(performance.now() - ready_ms) });
}

/** Ends every fault that a test may have left, and lets Pacemaker forget failures. */
async function healEverything(): Promise<void> {
  await lab.healReplication();
  for (const node of lab.nodes()) {
    if (lab.power(node) === 'frozen') await lab.thaw(node);
    if (lab.power(node) === 'off') await lab.boot(node);
  }
  const node = lab.anyNode();
  if ((await lab.crmMon(node)).failures.length > 0)
    await lab.sh(node, ['crm_resource', '--cleanup', '--resource', VM]);
}

/** The lab, with the VM protected in it. One that an earlier run has kept is used again. */
export async function xenLab(): Promise<XenLab> {
  claim(`${lab.dir}.claim`);
  if (!up && lab.suite() === SUITE) {
    up = true;
    suspect = true;
  }
  if (up && (suspect || lab.nodes().some((node) => lab.power(node) !== 'on'))) {
    try {
      await healEverything();
      await untilProtected(lab, 'the lab is protected again');
    } catch (error) {
      console.log(`the lab is made anew: ${String(error)}`);
      up = false;
    }
  }
  if (!up) await freshLab();
  suspect = false;
  return lab;
}

async function begin(): Promise<XenScenario> {
  await xenLab();
  const roles = await untilProtected(lab, 'the VM is protected');
  suspect = true; // until the test has passed
  const client_log = join(mkdtempSync(join(logRoom(), 'client-')), 'answers.jsonl');
  const client = await lab.client({ log: client_log });
  const first = await lab.waitFor(
    'the guest answers the outside client',
    async () => (await client.report()).last ?? undefined,
    lab.patience_ms,
  );
  await client.mark('test');
  const watcher = new XenWatcher(lab);
  await lab.waitFor(
    'the two-copies watcher sees both hosts',
    () => Promise.resolve(watcher.report().looks > 0 || undefined),
    lab.patience_ms,
  );
  return new XenScenario({ roles, client, boot: first.boot, client_log }, watcher);
}

/** All that is known after a failure: both hosts' state in the message, their logs in a directory. */
async function explain(error: unknown, s: XenScenario): Promise<never> {
  const dir = mkdtempSync(join(logRoom(), 'failed-'));
  const trouble = (reason: unknown): string => `(not to be had: ${String(reason)})`;
  const text = error instanceof Error ? error.message : String(error);
  const state = text.includes('=== xen') ? '' : await lab.describe().catch(trouble);
  const seen = await s.client.report().then((report) => JSON.stringify(report), trouble);
  await lab.collectLogs(dir).catch(trouble);
  throw new Error(`${text}\n${state}\nclient: ${seen}\nlogs: ${dir}`, { cause: error });
}

/** A test's body for `it`: the protected VM before it, P1 checked after it, all logs when it fails. */
export function xenScenario(body: (s: XenScenario) => Promise<void>): () => Promise<void> {
  return async () => {
    const s = await begin();
    try {
      await body(s);
      const { sightings, looks } = await s.watcher.stop();
      assert.deepEqual(sightings, [], 'P1: the VM ran on both hosts');
      assert.ok(looks > 0, 'the two-copies watcher has seen nothing at all');
      suspect = false;
    } catch (error) {
      await explain(error, s);
    } finally {
      await Promise.allSettled([s.client.stop(), s.watcher.stop()]);
    }
  };
}

/** For `after`: the lab goes away, unless REMUS_XEN_KEEP says that it stays. */
export async function leaveXenLab(): Promise<void> {
  if (!up || process.env.REMUS_XEN_KEEP === '1') return;
  await lab.down();
  up = false;
}

// A run that is interrupted runs no more hooks.
process.on('exit', () => {
  if (up && process.env.REMUS_XEN_KEEP !== '1')
    spawnSync(xenLabCommand(), ['down'], { stdio: 'ignore', timeout: 60_000 });
});
