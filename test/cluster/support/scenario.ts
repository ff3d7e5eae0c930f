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
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OutsideClient, violationCount } from '../lab/client.js';
import { labCommand } from '../lab/command.js';
import { type CrmStatus, nodesInRole } from '../lab/crm-status.js';
import { Lab, type LabOptions } from '../lab/lab.js';
import type { Summary, Violation } from '../lab/tally.js';
import type { Watcher } from '../lab/watcher.js';
import { leftOvers } from './left-overs.js';

export const VM = 'vm1';
/** Generous: two cores, shared with others. */
export const PATIENCE_MS = 90_000;

const RECORD = ['--type', 'crm_config', '--set-name', 'remus-records'];

/** Who runs the VM, and who holds its replica. */
export interface Roles {
  readonly primary: string;
  readonly backup: string;
  /** The grant in the CIB's record, NODE/GENERATION/SESSION: another one for each replica. */
  readonly grant: string;
}

/** The one lab of this process; only one can be up on a machine. */
const lab = new Lab();
let up = false;
/** The last test failed: who knows what is left in there. */
let suspect = false;

/** What a test gets. */
export class Scenario {
  readonly lab: Lab;
  readonly client: OutsideClient;
  readonly watcher: Watcher;
  /** As it was when the test began. */
  readonly primary: string;
  readonly backup: string;
  readonly grant: string;
  /** The guest's boot id when the test began. */
  readonly boot: string;
  private readonly client_log: string;

  constructor(parts: {
    readonly roles: Roles;
    readonly client: OutsideClient;
    readonly watcher: Watcher;
    readonly boot: string;
    readonly client_log: string;
  }) {
    this.lab = lab;
    this.client = parts.client;
    this.watcher = parts.watcher;
    this.primary = parts.roles.primary;
    this.backup = parts.roles.backup;
    this.grant = parts.roles.grant;
    this.boot = parts.boot;
    this.client_log = parts.client_log;
  }

  /** When the client got its answers, milliseconds since the epoch. */
  answerTimes(): number[] {
    const lines = readFileSync(this.client_log, 'utf8').split('\n').slice(0, -1);
    return lines
      .map((line) => JSON.parse(line) as { at: string; event: string }) // our own process
      .filter(({ event }) => event === 'answer')
      .map(({ at }) => Date.parse(at));
  }

  /** Waits until the VM is protected on whatever node, as crm_mon says and the hypervisors show. */
  untilProtected(deadline_ms = PATIENCE_MS): Promise<Roles> {
    return untilProtected(() => true, 'the VM is protected', deadline_ms);
  }

  /** The same, by another replica than the one that the test began with: no stale word can be taken for it. */
  untilProtectedAnew(deadline_ms = PATIENCE_MS): Promise<Roles> {
    const anew = (roles: Roles): boolean => roles.grant !== this.grant;
    return untilProtected(anew, 'the VM is protected by a new replica', deadline_ms);
  }

  /** Waits until the guest has answered a request that was asked after this call; that answer's report. */
  async untilAnswer(deadline_ms = PATIENCE_MS): Promise<Summary> {
    const { waiting, last } = await this.client.report();
    const asked = waiting?.n ?? last?.n ?? 0;
    return lab.waitFor(
      'the guest answers the outside client',
      async () => {
        const now = await this.client.report();
        return (now.last?.n ?? 0) > asked ? now : undefined;
      },
      deadline_ms,
    );
  }

  /** Waits until some node of those that are on shows these words for a node, or for any node. */
  untilWords(
    words: RegExp,
    node: string | null = null,
    deadline_ms = PATIENCE_MS,
  ): Promise<string> {
    return lab.waitFor(
      `crm_mon shows ${String(words)} for ${node ?? 'some node'}`,
      async () => {
        const { attributes } = await lab.crmMon(lab.anyNode());
        const found = Object.entries(attributes).filter(([of]) => node === null || of === node);
        return found.map(([, each]) => each[`remus-${VM}`] ?? '').find((text) => words.test(text));
      },
      deadline_ms,
    );
  }

  /** Waits for something that `node`'s crm_mon shows. */
  untilCrm(what: string, node: string, probe: (status: CrmStatus) => boolean): Promise<CrmStatus> {
    return lab.waitFor(
      what,
      async () => {
        const status = await lab.crmMon(node);
        return probe(status) ? status : undefined;
      },
      PATIENCE_MS,
    );
  }

  /** Nothing of other replications, replicas or promotions is left, and crm_mon has stopped to say degraded. */
  async assertTidy(roles: Roles): Promise<void> {
    await lab.waitFor(
      'nothing is left over',
      async () => {
        const found = await leftOvers(lab, VM, roles);
        if (found.length > 0) throw new Error(found.join('; '));
        return true;
      },
      PATIENCE_MS / 3,
    );
  }

  /** What the client has seen since the test began is what a protected VM promises: the same boot, never back. */
  async assertUnbroken(): Promise<Summary> {
    const report = await this.client.report();
    assert.equal(violationCount(report), 0, `the client saw: ${JSON.stringify(report.violations)}`);
    assert.equal(report.last?.boot, this.boot, 'the guest has booted anew');
    return report;
  }

  /** The guest has booted once more, and nothing else was wrong. */
  async assertRebooted(): Promise<Summary> {
    const report = await this.client.report();
    const reboot: Violation['kind'][] = ['boot-changed'];
    assert.equal(
      violationCount(report, reboot),
      0,
      `the client saw: ${JSON.stringify(report.violations)}`,
    );
    assert.equal(report.counts['boot-changed'], 1, 'the guest must have booted anew, once');
    assert.notEqual(report.last?.boot, this.boot);
    return report;
  }
}

/** The record of the VM in a node's CIB; empty when there is none. */
export async function readRecord(node: string): Promise<string> {
  const name = ['--name', `remus-record-${VM}`, '--query', '--quiet'];
  return (await lab.exec(node, ['crm_attribute', ...RECORD, ...name])).stdout.trim();
}

function rolesOf(status: CrmStatus, record: string): Roles | undefined {
  const online = status.nodes.every((node) => node.online && !node.unclean && !node.pending);
  const [primary, ...more] = nodesInRole(status, VM, 'Promoted');
  const backup = nodesInRole(status, VM, 'Unpromoted').find((node) => node !== primary);
  const grant = /grant=(\S+)$/.exec(record)?.[1] ?? 'none';
  if (!online || primary === undefined || more.length > 0 || backup === undefined) return undefined;
  const words = (node: string): string => status.attributes[node]?.[`remus-${VM}`] ?? '';
  const well = words(primary) === 'protected' && words(backup) === 'replica: ready';
  return well && grant.startsWith(`${backup}/`) ? { primary, backup, grant } : undefined;
}

async function protectedNow(): Promise<Roles | undefined> {
  const running = lab
    .nodes()
    .flatMap((node) => lab.hypervisor(node))
    .some((domain) => domain.name === VM && !domain.paused);
  if (!running || lab.nodes().some((node) => lab.power(node) !== 'on')) return undefined;
  const node = lab.anyNode();
  const [status, record] = await Promise.all([lab.crmMon(node), readRecord(node)]);
  return rolesOf(status, record);
}

function untilProtected(
  good: (roles: Roles) => boolean,
  what: string,
  deadline_ms: number,
): Promise<Roles> {
  return lab.waitFor(
    what,
    async () => {
      const roles = await protectedNow();
      return roles !== undefined && good(roles) ? roles : undefined;
    },
    deadline_ms,
  );
}

/** Ends every fault that a test may have left, and lets Pacemaker forget failures. */
async function healEverything(): Promise<void> {
  await lab.healAll();
  await lab.fenceOk();
  await lab.fenceBoot(false);
  for (const node of lab.nodes()) {
    if (lab.power(node) === 'frozen') await lab.thaw(node);
    if (lab.power(node) === 'off') await lab.boot(node);
  }
  const node = lab.anyNode();
  if ((await lab.crmMon(node)).failures.length > 0)
    await lab.sh(node, ['crm_resource', '--cleanup', '--resource', VM]);
}

let options: LabOptions = {};

/** For `before`: how the labs of this file are made. */
export function labWith(wanted: LabOptions): void {
  options = wanted;
}

async function freshLab(): Promise<Roles> {
  up = true; // from here on there is something to take down
  await lab.up(2, { ...options, replace: true });
  await lab.vmConfig(VM);
  await lab.addVm(VM);
  return untilProtected(() => true, 'a fresh lab is protected', PATIENCE_MS);
}

async function wellLab(): Promise<Roles> {
  if (!up || suspect) return freshLab();
  await healEverything();
  return untilProtected(() => true, 'the lab is protected again', PATIENCE_MS);
}

/** A lab of two nodes in which the VM is protected and answers an outside client; the client's window begins here. */
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
  return new Scenario({ roles, client, watcher, boot: first.boot, client_log });
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
  const full = new Error(`${text}\n${state}\nclient: ${seen}\nlogs: ${dir}`);
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

/** For `after`: the lab goes away. */
export async function leaveLab(): Promise<void> {
  if (!up) return;
  await lab.down();
  up = false;
  options = {};
  if (room === undefined || keep_room) return;
  rmSync(room, { recursive: true, force: true });
  room = undefined;
}

// A run that is interrupted runs no more hooks.
process.on('exit', () => {
  if (up) spawnSync(labCommand(), ['down'], { stdio: 'ignore', timeout: 30_000 });
});
