/**
 * A VM under observation: a cluster in which it is protected, and an outside client that talks to it all the while. What a
 * test waits for, and what it asserts of what the client has seen.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type OutsideClient, violationCount } from '../lab/client.js';
import { type CrmStatus, nodesInRole } from '../lab/crm-status.js';
import type { Nodes } from '../lab/nodes.js';
import type { Summary, Violation } from '../lab/tally.js';
import { leftOvers } from './left-overs.js';

export const VM = 'vm1';

const RECORD = ['--type', 'crm_config', '--set-name', 'remus-records'];

/** Who runs the VM, and who holds its replica. */
export interface Roles {
  readonly primary: string;
  readonly backup: string;
  /** The grant in the CIB's record, NODE/GENERATION/SESSION: another one for each replica. */
  readonly grant: string;
}

/** How things were when a test began. */
export interface Beginning {
  readonly roles: Roles;
  readonly client: OutsideClient;
  /** The guest's boot id. */
  readonly boot: string;
  readonly client_log: string;
}

/** What a test gets. */
export class Observed {
  readonly lab: Nodes;
  readonly client: OutsideClient;
  /** As it was when the test began. */
  readonly primary: string;
  readonly backup: string;
  readonly grant: string;
  readonly boot: string;
  private readonly client_log: string;

  constructor(lab: Nodes, began: Beginning) {
    this.lab = lab;
    this.client = began.client;
    this.primary = began.roles.primary;
    this.backup = began.roles.backup;
    this.grant = began.roles.grant;
    this.boot = began.boot;
    this.client_log = began.client_log;
  }

  /** When the client got its answers, milliseconds since the epoch. */
  answerTimes(): number[] {
    return readAnswers(this.client_log).map(({ at_ms }) => at_ms);
  }

  /** Waits until the VM is protected on whatever node, as crm_mon says and the hypervisors show. */
  untilProtected(deadline_ms = this.lab.patience_ms): Promise<Roles> {
    return untilProtected(this.lab, 'the VM is protected', deadline_ms);
  }

  /** The same, by another replica than the one that the test began with: no stale word can be taken for it. */
  untilProtectedAnew(deadline_ms = this.lab.patience_ms): Promise<Roles> {
    const anew = (roles: Roles): boolean => roles.grant !== this.grant;
    return untilProtected(this.lab, 'the VM is protected by a new replica', deadline_ms, anew);
  }

  /** Waits until the guest has answered a request that was asked after this call; that answer's report. */
  async untilAnswer(deadline_ms = this.lab.patience_ms): Promise<Summary> {
    const { waiting, last } = await this.client.report();
    const asked = waiting?.n ?? last?.n ?? 0;
    return this.lab.waitFor(
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
    deadline_ms = this.lab.patience_ms,
  ): Promise<string> {
    return this.lab.waitFor(
      `crm_mon shows ${String(words)} for ${node ?? 'some node'}`,
      async () => {
        const { attributes } = await this.lab.crmMon(this.lab.anyNode());
        const found = Object.entries(attributes).filter(([of]) => node === null || of === node);
        return found.map(([, each]) => each[`remus-${VM}`] ?? '').find((text) => words.test(text));
      },
      deadline_ms,
    );
  }

  /** Waits until crm_mon shows no failure. Pacemaker shows a monitor's reason only when its result is another than before. */
  untilNoFailures(): Promise<CrmStatus> {
    const clean = ({ failures }: CrmStatus): boolean => failures.length === 0;
    return this.untilCrm('crm_mon shows no failure', this.primary, clean);
  }

  /** Waits for something that `node`'s crm_mon shows. */
  untilCrm(what: string, node: string, probe: (status: CrmStatus) => boolean): Promise<CrmStatus> {
    return this.lab.waitFor(
      what,
      async () => {
        const status = await this.lab.crmMon(node);
        return probe(status) ? status : undefined;
      },
      this.lab.patience_ms,
    );
  }

  /** Nothing of other replications, replicas or promotions is left, and crm_mon has stopped to say degraded. */
  async assertTidy(roles: Roles): Promise<void> {
    await this.lab.waitFor(
      'nothing is left over',
      async () => {
        const found = await leftOvers(this.lab, VM, roles);
        if (found.length > 0) throw new Error(found.join('; '));
        return true;
      },
      this.lab.patience_ms / 2,
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

/** The answers in a client's log: when each came, milliseconds since the epoch, and which boot of the guest gave it. */
export function readAnswers(client_log: string): { at_ms: number; boot: string }[] {
  const lines = readFileSync(client_log, 'utf8').split('\n').slice(0, -1);
  return lines
    .map((line) => JSON.parse(line) as { at: string; event: string; boot: string }) // our own process
    .filter(({ event }) => event === 'answer')
    .map(({ at, boot }) => ({ at_ms: Date.parse(at), boot }));
}

/** The record of the VM in a node's CIB; empty when there is none. */
export async function recordOf(lab: Nodes, node: string): Promise<string> {
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

/** What attrd says: a small part of what crm_mon costs in a busy dom0. */
async function sayProtected(lab: Nodes, node: string): Promise<boolean> {
  const argv = ['attrd_updater', '--query', '--all', '--name', `remus-${VM}`];
  const { stdout } = await lab.exec(node, argv);
  return stdout.includes('"protected"') && stdout.includes('"replica: ready"');
}

/** The roles, when the VM is protected at this moment, all nodes are on, and its record and domains say the same. */
export async function protectedNow(lab: Nodes): Promise<Roles | undefined> {
  if (lab.nodes().some((node) => lab.power(node) !== 'on')) return undefined;
  const node = lab.anyNode();
  if (!(await sayProtected(lab, node))) return undefined;
  const [status, record] = await Promise.all([lab.crmMon(node), recordOf(lab, node)]);
  const roles = rolesOf(status, record);
  if (roles === undefined) return undefined;
  const domains = await lab.hypervisor(roles.primary);
  return domains.some(({ name, paused }) => name === VM && !paused) ? roles : undefined;
}

/** Waits until the VM is protected, with roles that are `good`. */
export function untilProtected(
  lab: Nodes,
  what: string,
  deadline_ms = lab.patience_ms,
  good: (roles: Roles) => boolean = () => true,
): Promise<Roles> {
  return lab.waitFor(
    what,
    async () => {
      const roles = await protectedNow(lab);
      return roles !== undefined && good(roles) ? roles : undefined;
    },
    deadline_ms,
  );
}
