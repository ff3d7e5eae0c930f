/** The command lines by which remusd writes the record of a VM, as its own adapter makes them. */
import { createCluster } from '../../daemon/adapters/pacemaker.js';

/** @returns the arguments of cibadmin (without its name): the first record of a VM, and a later one. */
export async function recordWrites(resource: string): Promise<readonly (readonly string[])[]> {
  const seen: (readonly string[])[] = [];
  const cluster = createCluster({
    run: (argv) => {
      seen.push(argv.slice(1));
      const done = { code: 0, signal: null, stdout: '', stderr: '', timed_out: false };
      return Promise.resolve({ argv, ...done, duration_ms: 0 });
    },
    spawnDetached: () => Promise.reject(new Error('writes are waited for')),
  });
  await cluster.swapRecord(resource, null, 'g=1 primary=pm1 grant=none');
  await cluster.swapRecord(resource, 'g=1 primary=pm1 grant=none', 'g=2 primary=pm1 grant=none');
  return seen;
}
