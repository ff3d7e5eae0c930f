/**
 * "Degraded" in Pacemaker's history. A recurring monitor's 190 or 191 stays there, and crm_mon shows it, until somebody takes
 * it out. What was measured of Pacemaker 2.1.5, and makes the moment matter:
 *
 * - It records a recurring monitor's result only when it is another than the last one. A second "degraded" after one that
 *   only we had cleared would never be seen. So a monitor must have said "well" first.
 * - Maintenance mode ends the monitors. One whose "degraded" is in the history is not started again, so no monitor will ever
 *   say "well": then it is cleared without.
 * - The controller remembers the failure, and puts it back when the nodes join anew (an election). So it is looked for again and
 *   again, and of a VM that is well it is cleared again.
 *
 * A later Pacemaker puts it back at once; there failure-timeout takes it out, and nobody else (clearDegraded in adapters/pacemaker.ts).
 */
import { OCF } from './core/ocf.js';

/** A VM that is well for so many refreshes with no monitor that says so: Pacemaker has stopped to call it. */
const REFRESHES_WITHOUT_MONITOR = 4;
/** Put back, it is cleared at the second look: at the first it may be just about to go. */
const LOOKS_UNTIL_AGAIN = 2;

export class DegradedHistory {
  readonly #clear: (resource: string) => Promise<void>;
  /** The VMs of which the history shows no "degraded". Of the others it may: of all of them at our start. */
  readonly #clean = new Set<string>();
  /** For how many refreshes the others have been well. */
  readonly #wellFor = new Map<string, number>();
  /** For how many refreshes the history has shown "degraded" of one that is well and was cleared. */
  readonly #shownFor = new Map<string, number>();

  /** @param clear takes "degraded" out of the VM's history; when it rejects, it is tried again. */
  constructor(clear: (resource: string) => Promise<void>) {
    this.#clear = clear;
  }

  /**
   * What a recurring monitor of the VM has answered.
   * @param alone the agent has answered the one before alone, "degraded"
   */
  monitored(resource: string, rc: number, alone = false): void {
    if (alone) this.#clean.delete(resource);
    if (rc !== OCF.SUCCESS && rc !== OCF.RUNNING_PROMOTED) {
      this.#clean.delete(resource);
      this.#wellFor.delete(resource);
    } else if (!this.#clean.has(resource)) {
      this.#begin(resource);
    }
  }

  /** Now and then, for each VM: is it well, and does the history show it as degraded all the same? */
  refreshed(resource: string, well: boolean, shown: boolean): void {
    const clean = this.#clean.has(resource);
    count(this.#wellFor, resource, well && !clean);
    count(this.#shownFor, resource, well && clean && shown);
    const enough =
      (this.#wellFor.get(resource) ?? 0) >= REFRESHES_WITHOUT_MONITOR ||
      (this.#shownFor.get(resource) ?? 0) >= LOOKS_UNTIL_AGAIN;
    if (enough) this.#begin(resource);
  }

  /** Now and then, of a VM that is not even started here: does the history show what the controller has put back? */
  refreshedStopped(resource: string, shown: boolean): void {
    count(this.#shownFor, resource, shown);
    if ((this.#shownFor.get(resource) ?? 0) >= LOOKS_UNTIL_AGAIN) this.#begin(resource);
  }

  /** While this daemon was hung the agent may have answered alone, "degraded". */
  wasHung(): void {
    this.#clean.clear();
    this.#wellFor.clear();
    this.#shownFor.clear();
  }

  #begin(resource: string): void {
    this.#clean.add(resource);
    this.#wellFor.delete(resource);
    this.#shownFor.delete(resource);
    this.#clear(resource).catch(() => this.#clean.delete(resource));
  }
}

function count(counts: Map<string, number>, resource: string, holds: boolean): void {
  if (holds) counts.set(resource, (counts.get(resource) ?? 0) + 1);
  else counts.delete(resource);
}
