#!/usr/bin/env node
/** remusctl. Imports little: what a command needs is loaded when it runs. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from './exit-codes.js';
import { isUtf8 } from './locale.js';
import { loginUser } from './pause.js';
import { run } from './run.js';
import type { World } from './world.js';

const run_dir = process.env['REMUS_RUNDIR'] ?? '/run/pacemaker-remus';
const state_dir = process.env['REMUS_STATEDIR'] ?? '/var/lib/pacemaker-remus';

function realWorld(interrupted: AbortSignal): World {
  const terminal = process.stdout.isTTY;
  return {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    terminal,
    color: terminal && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb',
    utf8: isUtf8(process.env),
    interrupted,
    ask: async (fields, options) => {
      const { ask } = await import('./client.js');
      return ask(fields, { path: join(run_dir, 'remusd.sock'), signal: interrupted, ...options });
    },
    historyFile: async (vm, count) => {
      const { History } = await import('../daemon/adapters/store.js');
      return new History(state_dir).newest(vm, count);
    },
    pieces: async function* (path) {
      yield* (await import('./stream-file.js')).pieces(path);
    },
    isFile: async (path) => (await import('./stream-file.js')).isFile(path),
    user: loginUser(process.env),
    now: () => new Date(),
    sleep: (ms) => sleep(ms, undefined, { signal: interrupted }).catch(() => undefined),
  };
}

/** The first Ctrl-C lets the command end cleanly, the second does not wait for it. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(EXIT.interrupted);
      controller.abort();
    });
  }
  return controller.signal;
}

// `remusctl status --watch | head`: nobody reads any more, and that is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failed);
  });
}

process.exitCode = await run(process.argv.slice(2), realWorld(interruption()));
