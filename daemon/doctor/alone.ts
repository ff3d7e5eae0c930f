/** The doctor without a daemon: remusctl itself looks at this node and at the cluster. Nobody can ask the peers then. */
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { release } from '../../ctl/release.js';
import type { ControlAnswer } from '../adapters/control-protocol.js';
import { createExec } from '../adapters/exec.js';
import { patient } from '../adapters/patience.js';
import { findProcesses } from '../adapters/process-table.js';
import { createXl } from '../adapters/xl.js';
import type { Exec } from '../ports.js';
import { roomsFrom } from '../rooms.js';
import { diagnosis, XL_TIMEOUTS } from './doctor.js';
import type { DaemonFacts } from './facts.js';

const NAME_MS = patient(4_000);

/** Why the daemon was not asked. */
export interface NoDaemon {
  readonly kind: 'down' | 'older';
  readonly sentence: string;
}

export async function diagnoseAlone(
  why: NoDaemon,
  resource: string | null,
  config: string | null,
): Promise<ControlAnswer> {
  const exec = createExec();
  const lib = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const parts = {
    node: await ownName(exec),
    release: release(),
    rooms: roomsFrom(process.env, lib),
    exec,
    xl: createXl(exec, XL_TIMEOUTS),
    now: Date.now,
    daemon: await daemonFacts(why),
    peers: () => [],
    ask: null,
  };
  return diagnosis(parts, resource, config);
}

/** As Pacemaker calls this node; without Pacemaker, its host name. */
async function ownName(exec: Exec): Promise<string> {
  const { code, stdout } = await exec.run(['crm_node', '-n'], { timeout_ms: NAME_MS });
  const name = stdout.trim();
  return code === 0 && name !== '' ? name : hostname();
}

async function daemonFacts({ kind, sentence }: NoDaemon): Promise<DaemonFacts> {
  if (kind === 'older') return { kind, sentence };
  if ((await findProcesses(isRemusd)).length === 0) return { kind, sentence, waits: false };
  return { kind, sentence: 'it has been started, and waits for the cluster', waits: true };
}

/** Exported for tests. */
export function isRemusd(argv: readonly string[]): boolean {
  return argv.slice(0, 2).some((word) => /(?:^|\/)(?:remusd|daemon\/main\.js)$/.test(word));
}
