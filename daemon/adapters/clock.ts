import type { Clock } from '../ports.js';

/** The real Clock port: monotonic milliseconds since this process started. */
export const systemClock: Clock = {
  now_ms: () => performance.now(),
  wall: () => new Date().toISOString(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};
