/**
 * A planted bug. Everything is changed from outside: between the product's parts and the simulated world, or in the
 * events that reach a driver. The product knows nothing of it.
 */
import type { PacemakerCluster } from '../../../daemon/adapters/pacemaker.js';
import type { VmDriver } from '../../../daemon/driver.js';
import type { Executors } from '../../../daemon/tasks/table.js';
import type { Machine } from '../machine/machine.js';
import type { SceneName } from '../scenes.js';
import type { RelayTwist } from '../relay/sender.js';

export interface Mutation {
  readonly name: string;
  /** What is broken, in a sentence. */
  readonly what: string;
  /** The promises, one of which a run must see broken. */
  readonly breaks: readonly string[];
  /**
   * Where to begin to look, for a bug that takes thousands of seeds. When the simulator changes, another place is found by
   * `npm run simulate -- --mutations --mutation NAME --first 1 --seeds 20000`.
   */
  readonly first?: number;
  /** The same with three nodes. */
  readonly first_of_three?: number;
  /** Where chance hardly ever finds it. */
  readonly scene?: SceneName;
  readonly executors?: (real: Executors, machine: Machine) => Partial<Executors> & Executors;
  readonly cluster?: (real: PacemakerCluster, machine: Machine) => PacemakerCluster;
  /** The CIB takes every write of a record, whatever it has by then. */
  readonly blind_writes?: boolean;
  readonly relay?: RelayTwist;
  /** Of the VM, where it is not by chance. */
  readonly mode?: 'remus' | 'restart';
  /** Called whenever the driver is about to be used; must be idempotent. */
  readonly driver?: (driver: VmDriver, machine: Machine) => void;
}
