/**
 * Bare `xl remus` over ssh, in the same lab and with the same guest: what it does where we say that we do better. These are
 * measurements of somebody else's program; what is asserted is only that the case took place.
 */
import assert from 'node:assert/strict';
import { measure } from '../../cluster/support/measures.js';
import type { OutsideClient } from '../../cluster/lab/client.js';
import { VM, untilProtected } from '../../cluster/support/observed.js';
import { startResource, stopResource } from '../../cluster/support/operations.js';
import { loss } from '../support/loss.js';
import { leaveXenLab, xenLab } from '../support/scenario.js';
import { XenWatcher } from '../support/watcher.js';
import type { XenLab } from '../support/xen-lab.js';

/** Its own name and address: its replica must not be taken for one of ours. */
const BARE = 'vm8';
const ADDRESS = '10.77.2.57';
const FROM = 'xen1';
const TO = 'xen2';
/** Bare xl does not say when the first copy is done: once the transport has carried the guest's memory, this is for the rest. */
const SETTLED_MS = 45_000;
/** After a power cut: nobody tells the backup that the primary is gone. */
const NOBODY_HELPS_MS = 60_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function shell(lab: XenLab, node: string, line: string): Promise<string> {
  return lab.sh(node, ['sh', '-c', line]);
}

/** Pids of programs whose command line matches, found without finding the search itself. */
function pidsOf(words: string): string {
  return `for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q '${words}' && echo \${p#/proc/}; done`;
}

/** The whole memory of the guest has gone through ssh. */
async function firstCopyCarried(lab: XenLab): Promise<boolean> {
  const ssh = `$(${pidsOf('^ssh 10.77.1.2')})`;
  const carried = `for p in ${ssh}; do awk '/^rchar/ {print $2}' /proc/$p/io; done`;
  const memory_mib = Number(await shell(lab, FROM, `xl list ${BARE} | awk 'NR == 2 {print $3}'`));
  return Number(await shell(lab, FROM, carried)) >= memory_mib * 1024 * 1024;
}

async function replicating(lab: XenLab): Promise<OutsideClient> {
  await lab.sh(FROM, ['xl', 'create', `/etc/xen/${BARE}.cfg`]);
  const client = await lab.client({ to: ADDRESS });
  await lab.waitFor(
    'the bare guest answers',
    async () => (await client.report()).last !== null,
    lab.patience_ms,
  );
  const remus = `setsid xl remus -F -n -d -i 200 ${BARE} 10.77.1.2 </dev/null >/root/bare.log 2>&1 &`;
  await shell(lab, FROM, remus);
  await lab.waitFor(
    'the bare replica is there',
    async () => (await lab.hypervisor(TO)).some(({ name }) => name === `${BARE}--incoming`),
    lab.patience_ms,
  );
  await lab.waitFor('the first copy is carried', () => firstCopyCarried(lab), lab.patience_ms);
  await pause(SETTLED_MS);
  await client.mark('bare');
  await pause(3000);
  return client;
}

async function failedOver(lab: XenLab): Promise<void> {
  await lab.waitFor(
    'the backup has failed over',
    async () => (await lab.hypervisor(TO)).some(({ name, running }) => name === BARE && running),
    lab.patience_ms,
  );
}

async function endBare(lab: XenLab): Promise<void> {
  for (const node of lab.nodes()) {
    if (lab.power(node) === 'off') await lab.boot(node);
    for (const { name } of await lab.hypervisor(node))
      if (name.startsWith(BARE)) await lab.exec(node, ['xl', 'destroy', name]);
    await shell(lab, node, `for p in $(${pidsOf('[x]l.*remus -F')}); do kill -9 $p; done; true`);
  }
}

describe('real Xen: bare xl remus over ssh, for comparison', function () {
  this.timeout(30 * 60_000);
  let lab: XenLab;

  before(async () => {
    lab = await xenLab();
    await untilProtected(lab, 'the VM is protected');
    await stopResource(lab, VM);
    await lab.vmConfig(BARE);
  });
  afterEach(() => endBare(lab));
  after(async () => {
    await startResource(lab, VM);
    await untilProtected(lab, 'the VM is protected again');
    await leaveXenLab();
  });

  it('the transport on the primary is killed', async () => {
    const client = await replicating(lab);
    const watcher = new XenWatcher(lab);
    await shell(lab, FROM, `for p in $(${pidsOf('^ssh 10.77.1.2')}); do kill -9 $p; done`);
    await failedOver(lab);
    await pause(5000);
    const { sightings } = await watcher.stop();
    const report = await client.stop();
    const two_copies = sightings.length > 0;
    measure('bare xl remus: transport killed', { two_copies, loss: loss(report) });
  });

  it('planned: xl destroy on the primary', async () => {
    const client = await replicating(lab);
    await lab.sh(FROM, ['xl', 'destroy', BARE]);
    await failedOver(lab);
    await pause(10_000);
    const report = await client.stop();
    const { longest_silence } = report;
    measure('bare xl remus: planned move', { silence_ms: longest_silence.ms, loss: loss(report) });
  });

  it('power cut of the primary', async () => {
    const client = await replicating(lab);
    await lab.kill(FROM);
    await pause(NOBODY_HELPS_MS);
    const alone = (await client.report()).silent_ms >= NOBODY_HELPS_MS - 1000;
    // What an operator can do: end the dead session, so that xl sees the end of the stream.
    const sessions = pidsOf('[x]l.*migrate-receive');
    const kill = `for p in $(${sessions}); do kill $(awk '/^PPid/ {print $2}' /proc/$p/status); done; true`;
    await shell(lab, TO, kill);
    await failedOver(lab);
    await pause(10_000);
    const report = await client.stop();
    const { longest_silence } = report;
    measure('bare xl remus: power cut', {
      silence_ms: longest_silence.ms,
      loss: loss(report),
      stood_still_until_somebody_came: alone,
    });
    assert.ok(report.answers > 0);
  });
});
