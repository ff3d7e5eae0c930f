/** A thread of a long run: every so-many-th seed, one after another. */
import { parentPort, workerData } from 'node:worker_threads';
import { run } from './run.js';
import { add, type Share, Tally } from './tally.js';

async function work({ first, step, count, nodes, scene, mode }: Share): Promise<void> {
  let tally = Tally();
  for (let n = 0; n < count; n += 1) {
    const seed = first + n * step;
    tally = add(tally, await run({ seed, nodes, scene, mode, trace: false }));
    if (n % 50 === 49 || n === count - 1) {
      parentPort?.postMessage(tally);
      tally = Tally();
    }
  }
}

// As in many.ts.
Error.stackTraceLimit = 0;
await work(workerData as Share);
