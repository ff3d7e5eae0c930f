/** The outside listener: a process on the guests' LAN that hears what the guest says unasked, all the while. */
import { fileURLToPath } from 'node:url';
import { LineChild } from '../../cluster/lab/line-child.js';
import type { WordsReport } from './words.js';
import { xenLabCommand } from './xen-lab.js';

/** Starts, asks and stops a listener. */
export class OutsideListener {
  readonly #child: LineChild;

  constructor() {
    const main = fileURLToPath(new URL('listener-main.js', import.meta.url));
    const argv = [xenLabCommand(), 'client', process.execPath, main];
    this.#child = new LineChild('the outside listener', argv);
  }

  /** All that it has heard since it was started. */
  async report(): Promise<WordsReport> {
    return JSON.parse(await this.#child.ask('report')) as WordsReport; // our own process, same build
  }

  stop(): Promise<void> {
    return this.#child.end();
  }
}
