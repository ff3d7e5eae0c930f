/**
 * "Degraded" in Pacemaker's history. A recurring monitor's 190 or 191 stays there, and crm_mon shows it, until somebody takes
 * it out. What was measured of Pacemaker 2.1.5, and makes the moment matter:
 *
 * - It records a recurring monitor's result only when it is another than the last one. A second "degraded" after one that
 *   only we had cleared would never be seen. So a monitor must have said "well" first.
 * - Maintenance mode ends the monitors. One whose "degraded" is in the history is not started again, so no monitor will ever
 *   say "well": then it is cleared without.
 * - The controller remembers the failure, and puts it back when the nodes join anew (an election; seen on Pacemaker 3.0). So of a
 *   VM that is well it is cleared again, now and then.
 */
import { OCF } from './core/ocf.js';

/** A VM that is well for so many refreshes with no monitor that says so: Pacemaker has stopped to call it. */
const REFRESHES_WITHOUT_MONITOR = 4;
const REFRESHES_UNTIL_AGAIN = 60;

export class DegradedHistory {
  readonly #clear: (resource: string) => Promise<void>;
  /** The VMs of which the history shows no "degraded". Of the others it may: of all of them at our start. */
  readonly #clean = new Set<string>();
  /** For how many refreshes each has been well since it was cleared, or since it was not well. */
  readonly #wellFor = new Map<string, number>();

  /** @param clear takes "degraded" out of the VM's history; when it rejects, it is tried again. */
  constructor(clear: (resource: string) => Promise<void>) {
    this.#clear = clear;
  }

  /** What a recurring monitor of the VM has answered. */
  monitored(resource: string, rc: number): void {
    if (rc !== OCF.SUCCESS && rc !== OCF.RUNNING_PROMOTED) {
      this.#clean.delete(resource);
      this.#wellFor.delete(resource);
    } else if (!this.#clean.has(resource)) {
      this.#begin(resource);
    }
  }

  /** Now and then, for each VM: is it well? */
  refreshed(resource: string, well: boolean): void {
    const refreshes = well ? (this.#wellFor.get(resource) ?? 0) + 1 : 0;
    this.#wellFor.set(resource, refreshes);
    const enough = this.#clean.has(resource) ? REFRESHES_UNTIL_AGAIN : REFRESHES_WITHOUT_MONITOR;
    if (refreshes >= enough) this.#begin(resource);
  }

  /** While this daemon was hung the agent may have answered alone, "degraded". */
  wasHung(): void {
    this.#clean.clear();
    this.#wellFor.clear();
  }

  #begin(resource: string): void {
    this.#clean.add(resource);
    this.#wellFor.delete(resource);
    this.#clear(resource).catch(() => this.#clean.delete(resource));
  }
}
