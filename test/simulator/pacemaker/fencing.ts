/** Fencing: takes time, fails and is tried again, and may hit both sides of a partition. */
import type { World } from '../world.js';
import type { Machine } from '../machine/machine.js';
import type { Member } from './member.js';
import type { Pacemaker } from './pacemaker.js';

export class Fencing {
  readonly #world: World;
  readonly #pacemaker: Pacemaker;
  readonly #underway = new Set<string>();
  /** Cuts the power and boots it again later. */
  readonly #powerCycle: (name: string) => void;

  constructor(world: World, pacemaker: Pacemaker, powerCycle: (name: string) => void) {
    this.#world = world;
    this.#pacemaker = pacemaker;
    this.#powerCycle = powerCycle;
  }

  want(by: Member, target: string): void {
    const key = `${by.name} ${target}`;
    if (this.#underway.has(key)) return;
    this.#underway.add(key);
    const { machine } = by;
    const over = (): void => void this.#underway.delete(key);
    void this.fence(by, target).then(over, () => this.#world.after(1_000, 3_000, over));
    this.#world.say(by.name, () => `wants ${target} fenced`);
    // Its own death ends what it had begun.
    if (machine === null) over();
  }

  /** Resolves when it is done. Rejects when it has failed, or when the fencer is gone. */
  fence(by: Member, target: string): Promise<void> {
    const fencer = by.machine;
    const { random, trouble } = this.#world;
    return new Promise((resolve, reject) => {
      this.#world.after(300, 4_000, () => {
        const lives = fencer !== null && by.machine === fencer && fencer.powered && !fencer.frozen;
        // What was on its way to the device may still arrive.
        const commits = lives || random.chance(0.3);
        if (!commits || random.chance(trouble.fencing_fails)) {
          this.#world.say(by.name, () => `fencing of ${target} failed`);
          reject(new Error('fencing failed'));
          return;
        }
        this.#commit(by, target);
        resolve();
      });
    });
  }

  #commit(by: Member, target: string): void {
    const hit: Machine | null = this.#pacemaker.member(target).machine;
    this.#world.say(target, () => `is fenced by ${by.name}`);
    this.#powerCycle(target);
    this.#world.after(30, 300, () => this.#pacemaker.confirmDown(by, target, hit));
  }
}
