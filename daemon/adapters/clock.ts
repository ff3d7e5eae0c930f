import type { Clock } from '../ports.js';

/** The real Clock port: monotonic milliseconds since this process started. */
export const systemClock: Clock = {
  now_ms: () => performance.now(),
  wall: () => new Date().toISOString(),
  // Not at once: a process that was stopped or starved has not read what came meanwhile, and all its timers are
  // due. By the next turn of the event loop it has, so that nobody is given up who has spoken in time.
  after(ms, fn) {
    let read: NodeJS.Immediate | undefined;
    const timer = setTimeout(() => (read = setImmediate(fn)), ms);
    return {
      cancel() {
        clearTimeout(timer);
        clearImmediate(read);
      },
    };
  },
};
