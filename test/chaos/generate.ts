/**
 * Rounds of faults from a seed. Pure: the same seed makes the same rounds on every machine, and each round depends only on
 * the seed and its own number, so that any of them can be played alone.
 */
import { Random } from '../simulator/random.js';
import {
  BACKUP_PROCESSES,
  type Fault,
  type Kind,
  MOMENTS,
  PRIMARY_PROCESSES,
  type Round,
  SIDES,
  STACK,
  type Strike,
} from './schedule.js';

type Side = (typeof SIDES)[number];

/** How likely each is relative to the others, and how it is made. */
interface Recipe {
  readonly weight: number;
  readonly make: (random: Random) => Fault;
}

/** Most of what matters happens where the VM runs. */
function side(random: Random): Side {
  return random.pick(['primary', 'primary', 'primary', 'primary', 'backup', 'backup', 'spare']);
}

/** A failover fences the node that runs the VM: there it is refused. */
function elsewhere(random: Random): Side {
  return random.pick(['backup', 'backup', 'backup', 'spare', 'primary']);
}

/** Around the timeouts of corosync (1 s) and of replication (5 s), on both sides of each. */
function lasting(random: Random): number {
  const [min, max] = random.pick([
    [100, 900],
    [900, 4_000],
    [4_000, 9_000],
    [9_000, 16_000],
  ] as const);
  return random.between(min, max);
}

/** The time that a machine needs to boot, or an operator to type. */
function long(random: Random): number {
  return random.between(2_000, 15_000);
}

function dataProcess(random: Random): Pick<Extract<Fault, { kind: 'kill' }>, 'on' | 'process'> {
  return random.chance(0.55)
    ? { on: 'primary', process: random.pick(PRIMARY_PROCESSES) }
    : { on: 'backup', process: random.pick(BACKUP_PROCESSES) };
}

function someProcess(random: Random): ReturnType<typeof dataProcess> {
  return random.chance(0.4) ? { on: side(random), process: 'remusd' } : dataProcess(random);
}

const RECIPES: Readonly<Record<Kind, Recipe>> = {
  kill: { weight: 10, make: (random) => ({ kind: 'kill', ...someProcess(random) }) },
  stop: {
    weight: 9,
    make: (random) => ({ kind: 'stop', ...someProcess(random), for_ms: lasting(random) }),
  },
  'restart-daemon': {
    weight: 4,
    make: (random) => ({ kind: 'restart-daemon', on: side(random), for_ms: lasting(random) }),
  },
  'power-cut': {
    weight: 6,
    make: (random) => ({ kind: 'power-cut', on: side(random), for_ms: long(random) }),
  },
  outage: { weight: 1, make: (random) => ({ kind: 'outage', for_ms: long(random) }) },
  freeze: {
    weight: 4,
    make: (random) => ({ kind: 'freeze', on: side(random), for_ms: lasting(random) }),
  },
  partition: {
    weight: 5,
    make: (random) => ({
      kind: 'partition',
      on: side(random),
      both: random.chance(0.6),
      for_ms: lasting(random),
    }),
  },
  'cut-replication': {
    weight: 7,
    make: (random) => ({ kind: 'cut-replication', on: side(random), for_ms: lasting(random) }),
  },
  'fencing-fails': {
    weight: 2,
    make: (random) => ({ kind: 'fencing-fails', for_ms: lasting(random) }),
  },
  'slow-fencing': {
    weight: 2,
    make: (random) => ({
      kind: 'slow-fencing',
      delay_s: random.between(1, 5),
      for_ms: lasting(random),
    }),
  },
  'crash-stack': {
    weight: 3,
    make: (random) => ({ kind: 'crash-stack', on: side(random), process: random.pick(STACK) }),
  },
  leave: {
    weight: 2,
    make: (random) => ({ kind: 'leave', on: side(random), for_ms: long(random) }),
  },
  standby: {
    weight: 3,
    make: (random) => ({ kind: 'standby', on: side(random), for_ms: long(random) }),
  },
  'stop-resource': {
    weight: 2,
    make: (random) => ({ kind: 'stop-resource', for_ms: long(random) }),
  },
  move: { weight: 3, make: (random) => ({ kind: 'move', for_ms: long(random) }) },
  switchover: { weight: 6, make: (random) => ({ kind: 'switchover', on: side(random) }) },
  failover: { weight: 2, make: (random) => ({ kind: 'failover', on: elsewhere(random) }) },
  pause: {
    weight: 3,
    make: (random) => ({ kind: 'pause', on: side(random), for_ms: long(random) }),
  },
  guest: {
    weight: 4,
    make: (random) => ({ kind: 'guest', word: random.pick(['poweroff', 'reboot', 'crash']) }),
  },
  'kill-domain': { weight: 1, make: () => ({ kind: 'kill-domain' }) },
  plant: {
    weight: 0,
    make: () => {
      throw new Error('what is planted is planted by hand');
    },
  },
};

const ALL = Object.values(RECIPES);
const TOTAL = ALL.reduce((sum, { weight }) => sum + weight, 0);

function someFault(random: Random): Fault {
  let left = random.next() * TOTAL;
  for (const { weight, make } of ALL) {
    left -= weight;
    if (left < 0) return make(random);
  }
  throw new Error('the weights do not add up');
}

/** A third of the rounds have one fault, for clean measures; the others two to six. */
function howMany(random: Random): number {
  if (random.chance(1 / 3)) return 1;
  return random.chance(0.6) ? random.between(2, 3) : random.between(4, 6);
}

/** At once, into the reaction to the one before, or into what comes after that. */
function gap(random: Random): number {
  const [min, max] = random.pick([
    [0, 50],
    [50, 800],
    [800, 4_000],
    [4_000, 10_000],
  ] as const);
  return random.between(min, max);
}

/** Of the faults that are not the first of their round: the first gives the others something to wait for. */
const AMBUSH = 0.3;

function ambush(at_ms: number, fault: Fault, random: Random): Strike {
  const after = { moment: random.pick(MOMENTS), late_ms: random.pick([0, 30, 300, 1_500]) };
  return { at_ms, after, fault };
}

/** Round `number` of a seed. */
export function roundOf(seed: number, number: number): Round {
  const random = new Random(seed * 10_007 + number);
  const strikes: Strike[] = [];
  let at_ms = 0;
  for (let left = howMany(random); left > 0; left -= 1) {
    const fault = someFault(random);
    strikes.push(
      strikes.length > 0 && random.chance(AMBUSH) ? ambush(at_ms, fault, random) : { at_ms, fault },
    );
    at_ms += gap(random);
  }
  return { number, strikes };
}
