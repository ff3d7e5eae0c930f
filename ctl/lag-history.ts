/** What `status --watch` remembers of each VM: the newest ages of its checkpoint, one from each refresh. */
import { membersOf } from './members.js';
import type { Sample } from './render/spark.js';
import type { Status, VmStatus } from './status.js';

/** A minute. More is not shown, so more is not kept. */
const SAMPLES_MAX = 60;

export type Lag = ReadonlyMap<string, readonly Sample[]>;

export class LagHistory {
  #samples: Lag = new Map();

  /** Only the primary knows the age. A VM that nobody runs any more is forgotten. */
  add(status: Status): Lag {
    const primaries = membersOf(status).filter(({ vm }) => vm.role === 'primary');
    this.#samples = new Map(
      primaries.map(({ vm }) => [
        vm.resource,
        [...(this.#samples.get(vm.resource) ?? []), sampleOf(vm)].slice(-SAMPLES_MAX),
      ]),
    );
    return this.#samples;
  }
}

/** While output is held a failover goes back to the checkpoint, also when its sender has ended; after that there is no replica. */
function sampleOf({ state, held, acked_age_ms }: VmStatus): Sample {
  return held || state === 'protected' ? acked_age_ms : null;
}
