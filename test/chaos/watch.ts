/**
 * Looks at the lab all the while: at the hypervisors from outside, and at what crm_mon shows where the VM runs. It judges
 * nothing: checker.ts does.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { nodesInRole, parseCrmMon } from '../cluster/lab/crm-status.js';
import type { Lab } from '../cluster/lab/lab.js';
import { VM } from '../cluster/support/observed.js';
import type { Look, Screen } from './checker.js';

const LOOK_EVERY_MS = 200;
const SCREEN_EVERY_MS = 1_500;
const SCREEN_PATIENCE_MS = 8_000;

/** The hypervisors now. */
export function lookAt(lab: Lab): Look {
  const nodes = lab.nodes().map((node) => ({
    node,
    power: lab.power(node),
    domains: lab.hypervisor(node).map(({ name, running }) => ({ name, running })),
  }));
  return { at_ms: Date.now(), nodes };
}

/** Where a node has the VM itself, not a replica; running or not. */
export function hostOf({ nodes }: Look): string | null {
  const having = nodes.filter(({ domains }) => domains.some(({ name }) => name === VM));
  const running = having.find(({ domains }) => domains.some((one) => one.running));
  return (running ?? having[0])?.node ?? null;
}

/** What crm_mon shows of a node, asked on that node: it knows best what happens to it. */
async function screenOf(lab: Lab, node: string): Promise<Screen | null> {
  const asked_ms = Date.now();
  const argv = ['timeout', String(SCREEN_PATIENCE_MS / 1000), 'crm_mon', '-1', '--output-as=xml'];
  const { code, stdout } = await lab.exec(node, argv, { timeout_ms: SCREEN_PATIENCE_MS + 2_000 });
  if (code !== 0) return null;
  const status = await parseCrmMon(stdout);
  const ours = status.nodes.find(({ name }) => name === node);
  const failures = status.failures.filter((one) => one.node === node && one.resource === VM);
  return {
    asked_ms,
    at_ms: Date.now(),
    node,
    online: ours?.online === true && !ours.unclean && !ours.pending,
    quorum: status.quorum,
    promoted: nodesInRole(status, VM, 'Promoted').includes(node),
    words: status.attributes[node]?.[`remus-${VM}`] ?? null,
    failures: failures.map(({ exit_code, reason }) => ({ exit_code, reason })),
  };
}

/** Looks until it is told to stop. */
export class Looker {
  readonly #lab: Lab;
  readonly #looks: Look[] = [];
  readonly #screens: Screen[] = [];
  readonly #ended: Promise<unknown>;
  #stopped = false;

  constructor(lab: Lab) {
    this.#lab = lab;
    this.#ended = Promise.all([this.#look(), this.#read()]);
  }

  /** All that was seen. */
  async stop(): Promise<{ readonly looks: readonly Look[]; readonly screens: readonly Screen[] }> {
    this.#stopped = true;
    await this.#ended;
    return { looks: this.#looks, screens: this.#screens };
  }

  async #look(): Promise<void> {
    while (!this.#stopped) {
      this.#looks.push(lookAt(this.#lab));
      await sleep(LOOK_EVERY_MS);
    }
  }

  async #read(): Promise<void> {
    while (!this.#stopped) {
      const node = hostOf(lookAt(this.#lab));
      if (node !== null && this.#lab.power(node) === 'on') {
        const screen = await screenOf(this.#lab, node).catch(() => null);
        if (screen !== null) this.#screens.push(screen);
      }
      await sleep(SCREEN_EVERY_MS);
    }
  }
}
