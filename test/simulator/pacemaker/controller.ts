/** The DC at work: looks every moment, orders what the scheduler wants, has lost nodes fenced. */
import type { World } from '../world.js';
import type { Fencing } from './fencing.js';
import type { Member } from './member.js';
import type { Pacemaker } from './pacemaker.js';
import { plan, type Seen, type SeenNode } from './scheduler.js';

const THINK_MS = 400;
const MONITOR_MS = 10_000;

export class Controller {
  readonly #world: World;
  readonly #pacemaker: Pacemaker;
  readonly #fencing: Fencing;

  constructor(world: World, pacemaker: Pacemaker, fencing: Fencing) {
    this.#world = world;
    this.#pacemaker = pacemaker;
    this.#fencing = fencing;
    this.#again();
  }

  #again(): void {
    this.#world.time.at(THINK_MS, () => {
      for (const member of this.#pacemaker.members)
        if (this.#pacemaker.isDc(member)) this.#think(member);
      this.#again();
    });
  }

  #think(dc: Member): void {
    const quorate = this.#pacemaker.quorate(dc);
    const partition = this.#pacemaker.partition(dc);
    if (quorate) {
      for (const name of this.#pacemaker.unclean(dc)) this.#fencing.want(dc, name);
      for (const { name, lrm } of partition)
        if (lrm?.must_fence === true) this.#fencing.want(dc, name);
    }
    if (partition.some(({ lrm }) => lrm?.must_fence === true)) return;
    for (const { node, action } of plan(this.seen(dc))) {
      const { lrm, machine } = this.#pacemaker.member(node);
      if (machine?.frozen === false) lrm?.order(action);
    }
  }

  /** What a node's own CIB and attributes say. */
  seen(by: Member): Seen {
    return {
      nodes: this.#pacemaker.members
        .filter(({ name }) => by.view.has(name))
        .map((one) => this.#node(by, one)),
      quorate: this.#pacemaker.quorate(by),
      stopped: by.cib.entries.get('target-role') === 'Stopped',
      unclean: this.#pacemaker.unclean(by).length > 0,
    };
  }

  #node(by: Member, { name, lrm, leaving }: Member): SeenNode {
    // Not noticed yet: what it did is still taken for granted, and no answer comes from it.
    const gone = { role: 'promoted', failed: false, banned: false, busy: 'monitor' } as const;
    const { role, failed, banned, busy } = lrm ?? gone;
    return {
      name,
      role,
      failed,
      banned,
      busy,
      standby: by.cib.entries.get(`standby ${name}`) === 'on' || leaving,
      score: by.score(name),
      monitor_due: lrm !== null && this.#world.now_ms - lrm.monitored_ms > MONITOR_MS,
    };
  }
}
