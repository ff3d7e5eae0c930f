/**
 * One node as corosync and Pacemaker know it. The object outlives the machine: what it keeps on disk (the CIB) comes
 * back with the next boot.
 */
import type { Machine } from '../machine/machine.js';
import type { Lrm } from './lrm.js';

/** The configuration part of the CIB: `record`, `standby NODE`, `target-role`. */
export interface Cib {
  /** Grows with each change: the newest wins when partitions meet. */
  version: number;
  /** How often a merge has brought another record than was here: two of one version may differ. */
  replaced: number;
  readonly entries: Map<string, string>;
}

export class Member {
  readonly name: string;
  machine: Machine | null = null;
  lrm: Lrm | null = null;
  /** The cluster stack runs. */
  up = false;
  /** Who is in the membership, as seen here. */
  view: ReadonlySet<string> = new Set();
  /** Members that are online but have not joined yet. */
  readonly pending = new Set<string>();
  dc: string | null = null;
  cib: Cib = { version: 0, replaced: 0, entries: new Map() };
  /** Transient attributes: node, name, value. */
  readonly attributes = new Map<string, Map<string, string>>();
  /** Of those that are no members: whether they are known to be down. */
  readonly known = new Map<string, 'clean' | 'unclean'>();
  /** Machines whose fencing was confirmed here. */
  readonly confirmed = new Map<string, Machine | null>();
  /** It has seen all nodes at once since it booted (wait_for_all). */
  seen_all = false;
  /** It is about to leave: nothing may run here. */
  leaving = false;
  /** Nothing that was sent later is delivered earlier. */
  floor_ms = 0;

  constructor(name: string) {
    this.name = name;
  }

  record(): string | null {
    return this.cib.entries.get('record') ?? null;
  }

  attribute(node: string, name: string): string | null {
    return this.attributes.get(node)?.get(name) ?? null;
  }

  score(node: string): number | null {
    const text = this.attribute(node, SCORE);
    return text === null ? null : Number(text);
  }
}

export const SCORE = 'master-vm1';
