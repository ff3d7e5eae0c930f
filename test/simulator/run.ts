/** One life of a cluster from one seed: it forms, things go wrong, they stop going wrong, all must be well again. */
import { activation } from './checkers/activation.js';
import { alone } from './checkers/alone.js';
import { Liveness } from './checkers/liveness.js';
import { oneCopy } from './checkers/one-copy.js';
import { output } from './checkers/output.js';
import { paused } from './checkers/paused.js';
import { spared } from './checkers/spared.js';
import { stopped } from './checkers/stopped.js';
import { suspended } from './checkers/suspended.js';
import { told } from './checkers/told.js';
import { Cluster } from './cluster.js';
import { Faults } from './faults.js';
import type { Mutation } from './mutations/mutation.js';
import { SCENES } from './scenes.js';
import { type Shape, World } from './world.js';

/** From the start to a protected VM without any fault. */
const FORMED_MS = 60_000;
/** From the last fault to a protected VM: a hung xl, an action's timeout and two fencings come first. */
const WELL_MS = 400_000;
const FAULTS_MAX = 8;
/** A handover, a promote, a fencing. */
const SCENE_MS = 30_000;

export interface Outcome {
  readonly seed: number;
  readonly violation: string | null;
  readonly trace: readonly string[];
  readonly events: number;
  readonly simulated_ms: number;
  readonly activations: number;
  readonly boots: number;
  /** From the last fault. */
  readonly well_after_ms: number;
}

export async function run(shape: Shape, mutation: Mutation | null = null): Promise<Outcome> {
  const { scene = mutation?.scene } = shape;
  const mode = shape.mode ?? (mutation === null ? undefined : (mutation.mode ?? 'remus'));
  const world = new World({ ...shape, mode });
  const cluster = new Cluster(world, mutation);
  const liveness = new Liveness(world, cluster);
  const count = { activations: 0, boots: 0 };
  world.observers.push(
    oneCopy(world, cluster),
    activation(world, cluster),
    output(world),
    alone(world, cluster),
    suspended(world, cluster),
    stopped(world, cluster),
    spared(world),
    paused(world, cluster),
    told(world, cluster),
    liveness,
    { activated: () => (count.activations += 1), booted: () => (count.boots += 1) },
  );
  if (world.random.chance(0.05)) cluster.startByHand();
  await until(world, FORMED_MS, () => liveness.wrong() === null);
  if (liveness.wrong() !== null) world.violate(`liveness: at the start, ${liveness.wrong() ?? ''}`);
  const faults = new Faults(world, cluster);
  world.observers.push(faults.observer);
  if (scene === undefined) await harm(world, faults);
  else {
    SCENES[scene]({ world, cluster });
    await until(world, SCENE_MS, () => false);
  }
  const since_ms = world.now_ms;
  if (world.violation === null) await recover(world, faults, liveness);
  return {
    ...{ seed: shape.seed, violation: world.violation, trace: world.trace, ...count },
    ...{ events: world.time.events, simulated_ms: world.now_ms },
    well_after_ms: world.now_ms - since_ms,
  };
}

async function harm(world: World, faults: Faults): Promise<void> {
  const { random, trouble } = world;
  if (random.chance(0.5)) trouble.fails = random.pick([0.02, 0.1]);
  if (random.chance(0.3)) trouble.hangs = random.pick([0.02, 0.08]);
  if (random.chance(0.3)) trouble.fencing_fails = 0.5;
  faults.pauses();
  faults.changesMode();
  const quiet_ms = faults.meddle();
  if (quiet_ms > 0) await until(world, quiet_ms, () => false);
  for (let left = random.between(1, FAULTS_MAX); left > 0 && world.violation === null; left -= 1) {
    faults.strike();
    // Several at once, or the next while the last is being handled.
    await until(world, random.chance(0.3) ? 0 : random.between(0, 9_000), () => false);
  }
}

async function recover(world: World, faults: Faults, liveness: Liveness): Promise<void> {
  faults.end();
  const again = (): void => {
    faults.setRight();
    world.time.at(10_000, again);
  };
  world.time.at(10_000, again);
  // What was begun before may still strike for a while.
  world.time.at(16_000, () => faults.end());
  await until(world, 17_000, () => false);
  let look_ms = 0;
  await until(world, WELL_MS, () => {
    if (world.now_ms < look_ms) return false;
    look_ms = world.now_ms + 500;
    return liveness.wrong() === null;
  });
  const wrong = liveness.wrong();
  if (wrong !== null) world.violate(`liveness: ${wrong}`);
}

/** Runs on for so long, or until `done`, or until a promise is broken. */
async function until(world: World, ms: number, done: () => boolean): Promise<void> {
  if (world.violation !== null) return;
  await world.time.runUntil(world.now_ms + ms, () => {
    for (const one of world.observers) one.tick?.();
    return world.violation !== null || done();
  });
}
