/** What the cluster is like: Pacemaker's state and configuration, corosync, fencing. For remusctl doctor. */
import type { ClusterFacts, Known, LiveFacts } from '../doctor/facts.js';
import type { Exec, ExecOptions } from '../ports.js';
import {
  parseCfgtool,
  parseConfiguration,
  parseFenceHistory,
  parseFenceList,
  parseLive,
  parseQuorumtool,
} from './cluster-facts-parse.js';
import { sentenceOf } from './errors.js';
import { ClusterError, judge } from './pacemaker.js';
import { MAX_XML_BYTES, PacemakerRubbish } from './pacemaker-xml.js';
import { patient } from './patience.js';

const CALL_MS = patient(5_000);
/** A device may have to be asked whom it can fence. */
const DEVICE_MS = patient(6_000);
/** A monitor goes over the network to a power switch or a management board. */
const MONITOR_S = 15;
const MONITOR_MS = patient((MONITOR_S + 2) * 1_000);
const CIB = '/var/lib/pacemaker/cib/cib.xml';

/** The value, or why there is none. Never rejects. */
export async function known<T>(work: Promise<T>): Promise<Known<T>> {
  try {
    return { ok: await work };
  } catch (error) {
    return { failed: sentenceOf(error) };
  }
}

/** What a tool prints. @throws ClusterError when it fails */
export async function output(
  exec: Exec,
  argv: readonly string[],
  more: Pick<ExecOptions, 'env' | 'stdin'> = {},
): Promise<string> {
  const options = { timeout_ms: CALL_MS, max_output_bytes: MAX_XML_BYTES + 1, ...more };
  const result = await exec.run(argv, options);
  const error = judge(result);
  if (error !== null) throw error;
  return result.stdout;
}

/** @throws ClusterError when the tool has printed something else than it does */
export async function understood<T>(argv: readonly string[], parsing: Promise<T>): Promise<T> {
  try {
    return await parsing;
  } catch (error) {
    if (!(error instanceof PacemakerRubbish)) throw error;
    const sentence = `"${argv.join(' ')}" printed something unexpected: ${error.message}`;
    throw new ClusterError('rubbish', 'unexpected output', sentence);
  }
}

export async function gatherCluster(exec: Exec): Promise<ClusterFacts> {
  const [live, corosync, fence_events] = await Promise.all([
    known(readLive(exec)),
    known(readCorosync(exec)),
    known(readFenceHistory(exec)),
  ]);
  return {
    live,
    corosync,
    fence_events,
    configuration: await known(readConfiguration(exec, live)),
  };
}

export async function readLive(exec: Exec): Promise<LiveFacts> {
  const argv = ['crm_mon', '-1', '--output-as=xml', '--include=none,dc,options,nodes,resources'];
  return understood(argv, parseLive(await output(exec, argv)));
}

/** Of the running cluster, or else as it is on the disk. */
export async function readConfiguration(exec: Exec, live: ClusterFacts['live']) {
  const argv = ['cibadmin', '--query', '--scope', 'configuration'];
  const env: Record<string, string> = 'ok' in live ? {} : { CIB_file: CIB };
  return understood(argv, parseConfiguration(await output(exec, argv, { env })));
}

async function readCorosync(exec: Exec): Promise<ReturnType<typeof parseQuorumtool>> {
  const [quorum, links] = await Promise.all([
    exec.run(['corosync-quorumtool', '-s'], { timeout_ms: CALL_MS }),
    exec.run(['corosync-cfgtool', '-s'], { timeout_ms: CALL_MS }),
  ]);
  // Its exit code says whether there is quorum, too.
  if (!quorum.stdout.includes('Votequorum information')) {
    const [said = ''] = (quorum.stderr.trim() || quorum.stdout.trim()).split('\n');
    const sentence = `corosync cannot be asked (${said || 'corosync-quorumtool says nothing'}); start it with "systemctl start corosync"`;
    throw new ClusterError('not-running', 'corosync is not running', sentence);
  }
  return { ...parseQuorumtool(quorum.stdout), links: parseCfgtool(links.stdout) };
}

export async function readFenceHistory(exec: Exec) {
  // Without --verbose 2.1.5 shows none of the failed ones.
  const argv = ['stonith_admin', '--history', '*', '--verbose', '--output-as=xml'];
  return understood(argv, parseFenceHistory(await output(exec, argv)));
}

/** By target: the devices with which this node could fence it. */
export async function fenceable(
  exec: Exec,
  targets: readonly string[],
): Promise<Record<string, string[]>> {
  const pairs = targets.map(async (target): Promise<[string, string[]]> => {
    const argv = ['stonith_admin', '--list', target, '--timeout', '5', '--output-as=xml'];
    const result = await exec.run(argv, { timeout_ms: DEVICE_MS });
    // No device is exit code 0 in some releases and "no such device" in others.
    if (/<pacemaker-result/.test(result.stdout) && !/code="(?:102|124)"/.test(result.stdout))
      return [target, await understood(argv, parseFenceList(result.stdout))];
    throw (
      judge(result) ??
      new ClusterError(
        'rubbish',
        'no answer',
        `"${argv.join(' ')}" printed nothing; type it by hand`,
      )
    );
  });
  return Object.fromEntries(await Promise.all(pairs));
}

/**
 * Has the fencer of this node run the device's monitor: the fence agent logs into it, and switches nothing. @throws ClusterError
 * when the device does not answer
 */
export async function askFenceDevice(exec: Exec, device: string): Promise<void> {
  const argv = ['stonith_admin', '--query', device, '--timeout', String(MONITOR_S)];
  const error = judge(await exec.run(argv, { timeout_ms: MONITOR_MS }));
  if (error !== null) throw error;
}
