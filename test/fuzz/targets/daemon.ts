/** remusd as a process, and what is seen of it after each input. */
import { DaemonStand } from '../../support/daemon-stand.js';
import type { Random } from '../../simulator/random.js';
import { LogWatch, mustBeSmall } from '../process.js';
import { must, type Target } from '../target.js';

/** Inputs can start VMs: a daemon that has so many is let go, and the next one begins with none. */
const VMS_MAX = 20;
const LOOK_EVERY = 200;

export abstract class DaemonTarget implements Target {
  #stand: DaemonStand | null = null;
  #log: LogWatch | null = null;
  #inputs = 0;

  abstract make(random: Random): Buffer;
  /** Says it, and asks something right afterwards. */
  protected abstract talk(input: Buffer, stand: DaemonStand): Promise<string>;

  async open(): Promise<void> {
    this.#stand = new DaemonStand();
    await this.#stand.start();
    this.#log = new LogWatch(this.#stand.log_file);
  }

  async feed(input: Buffer): Promise<string> {
    const stand = this.#stand;
    must(stand !== null, 'the target is not open');
    const outcome = await this.talk(input, stand);
    this.#log?.check();
    must(stand.alive, 'remusd has ended');
    mustBeSmall(stand.pid);
    this.#inputs += 1;
    if (this.#inputs % LOOK_EVERY === 0) await this.#renew(stand);
    return outcome;
  }

  async close(): Promise<void> {
    const stand = this.#stand;
    this.#stand = null;
    await stand?.close();
  }

  async #renew(stand: DaemonStand): Promise<void> {
    const { json } = await stand.ask('status');
    if ((json as { vms: unknown[] }).vms.length < VMS_MAX) return;
    await this.close();
    await this.open();
  }
}
