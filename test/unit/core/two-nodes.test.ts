/**
 * Two machines in a toy world, with power cuts, partitions, dead links, killed processes and daemons, failing
 * tasks and switchovers, checked from outside: one running copy, activation only by promote, a client that
 * never sees the VM go back (P1, P2, P3/P4), and in the end a VM that runs protected (P5).
 * `REMUS_RUNS=20000` for a longer search; `REMUS_SEED=n REMUS_RUNS=1` repeats one run.
 */
import assert from 'node:assert/strict';
import { Cluster } from './toy-cluster.js';
import { type Name, World } from './toy-world.js';

const RUNS = Number(process.env['REMUS_RUNS'] ?? 600);
const SEED = Number(process.env['REMUS_SEED'] ?? 1);

function harm(cluster: Cluster, world: World): void {
  const name: Name = world.chance() < 0.5 ? 'pm1' : 'pm2';
  const node = world.nodes[name];
  switch (Math.floor(world.chance() * 11)) {
    case 0:
      cluster.cutPower(name);
      return;
    case 1:
      cluster.partition();
      return;
    case 2:
    case 3:
      world.link_up = false;
      world.say('replication link down');
      world.after(500 + world.chance() * 12_000, () => (world.link_up = world.cluster_up));
      return;
    case 4:
      world.killSender(node, 'killed');
      return;
    case 5:
      world.killReceiver(node);
      return;
    case 6:
      cluster.killDaemon(name);
      return;
    case 7:
      cluster.switchover(name);
      return;
    case 9:
    case 10:
      // The worst moment: the primary dies while it withdraws.
      world.link_up = false;
      world.say('replication link down, then a power cut');
      world.after(5_000 + world.chance() * 4_000, () => {
        world.link_up = world.cluster_up;
        cluster.cutPower(name);
      });
      return;
    case 8:
      if (node.guest !== null && world.chance() < 0.5) node.guest.state = 'ended';
      return;
  }
}

/** One life of a cluster. Throws when a promise is broken. @returns how often a replica took over. */
function live(seed: number): number {
  const world = new World(seed);
  const cluster = new Cluster(world);
  try {
    world.runFor(15_000);
    world.trouble = world.chance() < 0.5 ? 0.05 : 0;
    const harms = 1 + Math.floor(world.chance() * 5);
    for (let n = 0; n < harms; n += 1) {
      harm(cluster, world);
      world.runFor(Math.floor(world.chance() * 9_000));
    }
    world.trouble = 0;
    world.runFor(150_000);
    const copies = Object.values(world.nodes).filter((node) => node.guest?.state === 'running');
    assert.equal(copies.length, 1, 'the VM does not run in the end');
    const { name } = copies[0] ?? { name: 'pm1' };
    const phase = cluster.daemons[name]?.state.phase;
    assert.equal(phase?.kind, 'primary');
    assert.equal(phase.protection.kind, 'protected', 'it is not protected in the end');
    const { tick } = world.seen;
    world.runFor(2_000);
    assert.ok(world.seen.tick > tick, 'nothing is heard of the VM in the end');
    return world.activations;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`REMUS_SEED=${seed} REMUS_RUNS=1: ${text}\n${world.log.join('\n')}`, {
      cause: error,
    });
  }
}

describe('core, two nodes', function () {
  this.timeout(RUNS * 100 + 20_000);

  it('keep the promises through everything', () => {
    let activations = 0;
    for (let seed = SEED; seed < SEED + RUNS; seed += 1) activations += live(seed);
    // The runs are worth nothing when no replica ever takes over.
    assert.ok(RUNS < 100 || activations > RUNS / 20, `only ${activations} activations`);
  });
});
