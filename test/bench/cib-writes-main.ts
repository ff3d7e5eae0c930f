#!/usr/bin/env node
/**
 * npm run bench:cib -- [--vms 10] [--minutes 10] [--interval 1000]
 *
 * How often the CIB is written while nothing happens but replication: so many protected VMs on a real Pacemaker (the cluster lab), their
 * monitors running. Each write costs every node a copy of the CIB, and what is in its configuration a write to the disk. Not a test: it says a
 * number, in words and as a line of JSON.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Lab } from '../cluster/lab/lab.js';
import { toolOptions } from '../support/tool-options.js';

const options = toolOptions(import.meta.url, {
  vms: { type: 'string', default: '10' },
  minutes: { type: 'string', default: '10' },
  interval: { type: 'string', default: '1000' },
});

const LOOK_MS = 2_000;
const HOUR_MS = 3_600_000;
/** First copies of all of them at once. */
const PROTECTED_MS = 300_000;

interface CibVersion {
  /** Changes of the configuration. */
  readonly epoch: number;
  /** Changes of the status since then. */
  readonly num_updates: number;
}

async function cibVersion(lab: Lab, node: string): Promise<CibVersion> {
  const text = await lab.sh(node, ['cibadmin', '--query']);
  const number = (name: string): number =>
    Number(new RegExp(`^<cib [^>]*\\b${name}="(\\d+)"`).exec(text)?.[1]);
  return { epoch: number('epoch'), num_updates: number('num_updates') };
}

/** A change of the configuration sets the other number to 0. */
function writesBetween(before: CibVersion, after: CibVersion): number {
  const changes = after.epoch - before.epoch;
  return changes === 0 ? after.num_updates - before.num_updates : changes + after.num_updates;
}

async function addVms(lab: Lab, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await lab.vmConfig(name, { memory: 16, dirty: 1 });
    await lab.addVm(name, { params: { interval: options.interval } });
  }
}

async function allProtected(
  lab: Lab,
  node: string,
  names: readonly string[],
): Promise<true | undefined> {
  const { attributes } = await lab.crmMon(node);
  const words = (name: string) => Object.values(attributes).map((of) => of[`remus-${name}`]);
  const well = names.filter((name) => words(name).includes('protected'));
  return well.length === names.length ? true : undefined;
}

async function measure(lab: Lab): Promise<void> {
  const names = Array.from({ length: Number(options.vms) }, (_, n) => `vm${n + 1}`);
  await lab.up(2);
  const node = lab.anyNode();
  await addVms(lab, names);
  await lab.waitFor('all are protected', () => allProtected(lab, node, names), PROTECTED_MS);
  console.log(`${names.length} VMs are protected; looking for ${options.minutes} min`);
  let before = await cibVersion(lab, node);
  let writes = 0;
  let configuration = 0;
  const began_ms = performance.now();
  while (performance.now() - began_ms < Number(options.minutes) * 60_000) {
    await sleep(LOOK_MS);
    const now = await cibVersion(lab, node);
    writes += writesBetween(before, now);
    configuration += now.epoch - before.epoch;
    before = now;
  }
  const still = (await allProtected(lab, node, names)) === true;
  const hours = (performance.now() - began_ms) / HOUR_MS;
  const per_hour = Math.round(writes / hours);
  console.log(
    `${writes} writes of the CIB (${configuration} of them of its configuration): ${per_hour} an hour, ${(per_hour / names.length).toFixed(1)} a VM`,
  );
  console.log(
    JSON.stringify({
      vms: names.length,
      hours,
      writes,
      configuration,
      per_hour,
      all_protected: still,
    }),
  );
}

const lab = new Lab();
try {
  await measure(lab);
} finally {
  await lab.down();
}
