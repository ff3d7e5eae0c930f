/**
 * Talking to systemd (Type=notify, WatchdogSec). Everything here is for the service manager's eyes only: a failure
 * is told to `onError` and changes nothing else. Without NOTIFY_SOCKET every call does nothing.
 */
import notify from 'systemd-notify';
import type { Clock, Exec } from '../ports.js';
import { oneLine, sentenceOf } from './errors.js';
import { patient } from './patience.js';

export interface Systemd {
  readonly enabled: boolean;
  /** systemd kills us when it hears nothing for so long, in milliseconds; null without a watchdog. */
  readonly watchdog_ms: number | null;
  ready(status: string): Promise<void>;
  /** One line for `systemctl status`; the same text twice is sent once. */
  status(text: string): Promise<void>;
  stopping(): Promise<void>;
  /** To be called after each completed turn of the driver. Feeds the watchdog at most every third of its time. */
  beat(): void;
}

export interface SystemdOptions {
  readonly exec: Exec;
  readonly clock: Clock;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly pid?: number;
  readonly onError?: (message: string, fields: { readonly why: string }) => void;
  /** The systemd-notify package; another one in tests. */
  readonly send?: typeof notify;
}

const NOTIFY_TIMEOUT_MS = patient(5000);

/** WATCHDOG_USEC in milliseconds, when it is meant for this process. */
function watchdogOf(env: Readonly<Record<string, string | undefined>>, pid: number): number | null {
  const usec = Number(env['WATCHDOG_USEC']);
  const forUs = env['WATCHDOG_PID'] === undefined || env['WATCHDOG_PID'] === String(pid);
  return forUs && Number.isFinite(usec) && usec > 0 ? usec / 1000 : null;
}

/** Settle within the deadline, whatever the promise does. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('systemd-notify did not end in time')), ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function createSystemd(options: SystemdOptions): Systemd {
  const { exec, clock, env = process.env, pid = process.pid, onError, send = notify } = options;
  const socket = env['NOTIFY_SOCKET'];
  const enabled = socket !== undefined && socket !== '';
  const watchdog_ms = enabled ? watchdogOf(env, pid) : null;
  let lastStatus = '';
  let lastBeat = -Infinity;
  let beating = false;

  const guarded = async (message: string, work: () => Promise<unknown>): Promise<void> => {
    if (!enabled) return;
    try {
      await within(NOTIFY_TIMEOUT_MS, work());
    } catch (error) {
      onError?.(message, { why: sentenceOf(error) });
    }
  };
  // The package sends READY and STATUS only: the rest goes through the program, in the name of our pid.
  const raw = async (assignment: string): Promise<void> => {
    const result = await exec.run(['systemd-notify', `--pid=${pid}`, assignment], {
      timeout_ms: NOTIFY_TIMEOUT_MS,
      env: { NOTIFY_SOCKET: socket ?? '' },
    });
    if (result.code !== 0)
      throw new Error(oneLine(result.stderr, 200) || 'systemd-notify gave no reason');
  };

  return {
    enabled,
    watchdog_ms,
    ready: (status) => {
      lastStatus = oneLine(status, 200);
      return guarded('systemd was not told READY', () =>
        send({ ready: true, status: lastStatus, pid }),
      );
    },
    status: async (text) => {
      const line = oneLine(text, 200);
      if (line === lastStatus) return;
      lastStatus = line;
      await guarded('systemd was not told STATUS', () => send({ status: line, pid }));
    },
    stopping: () => guarded('systemd was not told STOPPING', () => raw('STOPPING=1')),
    beat: () => {
      const now = clock.now_ms();
      if (watchdog_ms === null || beating || now - lastBeat < watchdog_ms / 3) return;
      beating = true;
      lastBeat = now;
      void guarded('the watchdog was not fed', () => raw('WATCHDOG=1')).finally(() => {
        beating = false;
      });
    },
  };
}
