import { readFileSync } from 'node:fs';
import { type PlugAction, PlugQueue, type PlugStats } from './plug.js';

const LINK_CHECK_MS = 50;

/**
 * Where the guest's packets go when they leave the vif: straight on, or, when tc redirects the vif to an ifb, through that ifb's
 * plug. As in Linux, an ifb that is deleted takes its queue with it, and a redirect to a device that is gone drops.
 */
export class Output {
  private readonly plugs = new Map<string, PlugQueue>();
  private redirect: string | undefined;
  private redirectLost = false;
  private dropped = 0;
  private checkedAt_ms = 0;
  private readonly hostPid: number;

  /** @param hostPid a process in the host's network namespace, to see the host's devices through */
  constructor(hostPid: number) {
    this.hostPid = hostPid;
  }

  send(bytes: number, transmit: () => void): void {
    if (this.redirect === undefined) {
      transmit();
      return;
    }
    this.checkDevice(this.redirect, false);
    if (this.redirectLost) {
      this.dropped++;
      return;
    }
    const plug = this.plugs.get(this.redirect);
    if (plug === undefined) transmit();
    else plug.enqueue(bytes, transmit);
  }

  setRedirect(ifb: string | undefined): void {
    this.redirect = ifb;
    this.redirectLost = false;
  }

  addPlug(ifb: string, limitBytes: number): void {
    this.plugs.set(ifb, new PlugQueue(limitBytes));
  }

  /** Deleting a qdisc throws its packets away. */
  deletePlug(ifb: string): void {
    this.plugs.delete(ifb);
  }

  change(ifb: string, action: PlugAction, limitBytes: number): boolean {
    this.checkDevice(ifb, true);
    const plug = this.plugs.get(ifb);
    plug?.change(action, limitBytes);
    return plug !== undefined;
  }

  stats(ifb: string): PlugStats | undefined {
    this.checkDevice(ifb, true);
    return this.plugs.get(ifb)?.stats();
  }

  private checkDevice(ifb: string, now: boolean): void {
    if (!now && Date.now() - this.checkedAt_ms < LINK_CHECK_MS) return;
    this.checkedAt_ms = Date.now();
    if (this.deviceExists(ifb)) return;
    this.plugs.delete(ifb);
    if (this.redirect === ifb) this.redirectLost = true;
  }

  private deviceExists(ifb: string): boolean {
    try {
      const text = readFileSync(`/proc/${this.hostPid}/net/dev`, 'utf8');
      return text.split('\n').some((line) => line.trimStart().startsWith(`${ifb}:`));
    } catch {
      return true;
    }
  }
}
