/** Many seeds, on one or more threads. */
import { Worker } from 'node:worker_threads';
import { run } from './run.js';
import type { SceneName } from './scenes.js';
import { add, type Share, sum, Tally } from './tally.js';

export interface Many {
  readonly first: number;
  readonly count: number;
  readonly nodes: 2 | 3;
  readonly jobs: number;
  readonly scene?: SceneName | undefined;
  readonly mode?: 'remus' | 'restart' | undefined;
  /** Told now and then. */
  readonly progress: (so_far: Tally) => void;
}

/** @returns the sum. Errors are made by the thousand, and nobody reads where: `--seed N` tells. */
export async function runMany(many: Many): Promise<Tally> {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return await all(many);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

async function all(many: Many): Promise<Tally> {
  return many.jobs > 1 ? onThreads(many) : here(many);
}

async function here({ first, count, nodes, scene, mode, progress }: Many): Promise<Tally> {
  let tally = Tally();
  for (let seed = first; seed < first + count; seed += 1) {
    const known = tally.bad.length;
    tally = sum(tally, add(Tally(), await run({ seed, nodes, scene, mode, trace: false })));
    if (tally.seeds % 500 === 0 || tally.bad.length > known) progress(tally);
  }
  return tally;
}

async function onThreads({
  first,
  count,
  nodes,
  jobs,
  scene,
  mode,
  progress,
}: Many): Promise<Tally> {
  let tally = Tally();
  const threads = Array.from({ length: jobs }, (_, n): Promise<void> => {
    const share: Share = {
      ...{ first: first + n, step: jobs, nodes, scene, mode },
      count: Math.ceil((count - n) / jobs),
    };
    return new Promise((resolve, reject) => {
      const worker = new Worker(new URL('worker.js', import.meta.url), { workerData: share });
      worker.on('message', (part: Tally) => {
        tally = sum(tally, part);
        progress(tally);
      });
      worker.on('error', reject);
      worker.on('exit', () => resolve());
    });
  });
  await Promise.all(threads);
  return tally;
}
