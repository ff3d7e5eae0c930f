import { withLock } from './lock.js';
import { err, out } from './stdio.js';
import {
  callOwner,
  devices,
  ifindexOf,
  type Plug,
  readState,
  type TcState,
  vifOf,
  writeState,
} from './tc-state.js';
import type { PlugStats } from './domain/plug.js';

/** An exit code, or that the real tc should do it. */
export type Answer = number | 'real';

/** How to show things. */
export interface Show {
  readonly stats: boolean;
  readonly json: boolean;
}

const KERNEL_ERROR = 2;
const USAGE_ERROR = 1;
/** ifb: 32 packets of an Ethernet frame each. */
const DEFAULT_LIMIT_BYTES = 32 * 1514;
const NO_STATS: PlugStats = {
  sentBytes: 0,
  sentPackets: 0,
  dropped: 0,
  backlogBytes: 0,
  backlogPackets: 0,
};
const VIF = /^vif\d+\.\d+$/;
const SUFFIXES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kb: 1024,
  m: 1 << 20,
  mb: 1 << 20,
  g: 1 << 30,
};

function kernelError(message: string): number {
  err(`Error: ${message}`);
  return KERNEL_ERROR;
}

function noDevice(dev: string): number {
  err(`Cannot find device "${dev}"`);
  return USAGE_ERROR;
}

function after(words: readonly string[], word: string): string | undefined {
  const at = words.indexOf(word);
  return at < 0 ? undefined : words[at + 1];
}

/** Runs one tc command line, without `tc` itself. */
export async function runLine(words: readonly string[], show: Show): Promise<Answer> {
  const [object = '', verb = 'show'] = words;
  if ('qdisc'.startsWith(object) && object !== '') return qdisc(verb, words.slice(2), show);
  if ('filter'.startsWith(object) && object !== '') return filter(verb, words.slice(2));
  return 'real';
}

async function qdisc(verb: string, words: readonly string[], show: Show): Promise<Answer> {
  if (['show', 'list', 'ls', 's', 'sh'].includes(verb))
    return showQdiscs(after(words, 'dev'), show);
  const dev = after(words, 'dev') ?? '';
  const rest = words.slice(words.indexOf('dev') + 2);
  if (
    VIF.test(dev) &&
    rest.some((word) => word === 'ingress' || word === 'clsact' || word === 'ffff:')
  ) {
    return devices().has(dev) ? withLock('tc', () => ingress(verb, dev)) : noDevice(dev);
  }
  const plugWords = rest.indexOf('plug');
  const known = readState().plugs[dev] !== undefined;
  if (plugWords < 0 && !known) return 'real';
  if (!devices().has(dev)) return noDevice(dev);
  if (!rest.includes('root')) return kernelError('Specified qdisc not found.');
  if (verb === 'del' || verb === 'delete') return withLock('tc', () => deletePlug(dev));
  if (plugWords < 0) return 'real';
  return plug(verb, dev, rest.slice(plugWords + 1));
}

async function ingress(verb: string, vif: string): Promise<number> {
  const state = readState();
  const exists = state.ingress.includes(vif);
  if (verb === 'add' || verb === 'replace') {
    if (exists) return verb === 'replace' ? 0 : kernelError('Exclusivity flag on, cannot modify.');
    state.ingress.push(vif);
  } else if (verb === 'del' || verb === 'delete') {
    if (!exists) return kernelError('Cannot find specified qdisc on specified device.');
    state.ingress = state.ingress.filter((dev) => dev !== vif);
    state.redirect = Object.fromEntries(
      Object.entries(state.redirect).filter(([dev]) => dev !== vif),
    );
    await callOwner(vif, { op: 'tc-redirect', ifb: null });
  }
  writeState(state);
  return 0;
}

interface PlugOrder {
  readonly action: 'block' | 'release' | 'release_indefinite' | 'limit';
  readonly limitBytes: number;
}

function parsePlug(words: readonly string[]): PlugOrder | undefined {
  let order: PlugOrder | undefined;
  let limitBytes = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word === 'limit') {
      const match = /^(\d+)([a-zA-Z]*)$/.exec(words[++i] ?? '');
      const unit = SUFFIXES[match?.[2]?.toLowerCase() ?? ''];
      if (match === null || unit === undefined) {
        err(`Illegal value for "limit": "${words[i] ?? ''}"`);
        return undefined;
      }
      limitBytes = Number(match[1]) * unit;
      order = { action: 'limit', limitBytes };
    } else if (word === 'block' || word === 'release' || word === 'release_indefinite') {
      order = { action: word, limitBytes };
    } else {
      err(`plug: unknown parameter "${word}"`);
      plugUsage();
      return undefined;
    }
  }
  if (order !== undefined) return { ...order, limitBytes };
  plugUsage();
  return undefined;
}

function plugUsage(): void {
  err('Usage: ... plug block | release | release_indefinite | limit LIMIT');
}

async function plug(verb: string, dev: string, words: readonly string[]): Promise<number> {
  const order =
    words.length === 0 && verb === 'add'
      ? { action: 'limit' as const, limitBytes: DEFAULT_LIMIT_BYTES }
      : parsePlug(words);
  if (order === undefined) return USAGE_ERROR;
  const now = readState().plugs[dev];
  const exists = now !== undefined && (verb !== 'add' || now.ifindex === ifindexOf(dev));
  if (verb === 'add' && exists) return kernelError('Exclusivity flag on, cannot modify.');
  if (verb === 'change' && !exists)
    return kernelError('Qdisc not found. To create specify NLM_F_CREATE flag.');
  if (verb === 'add' || (verb === 'replace' && !exists))
    return withLock('tc', () => addPlug(dev, order.limitBytes));
  return changePlug(dev, order);
}

/** A new plug holds; its limit is the one given, even when that is none (Linux takes 0 then). */
async function addPlug(dev: string, limitBytes: number): Promise<number> {
  const state = readState();
  state.plugs[dev] = {
    handle: `${state.nextHandle.toString(16)}:`,
    ifindex: ifindexOf(dev),
    limitBytes,
    last: 'plugged',
  };
  state.nextHandle++;
  writeState(state);
  const vif = vifOf(state, dev);
  if (vif !== undefined) await callOwner(vif, { op: 'tc-plug-add', ifb: dev, limit: limitBytes });
  return 0;
}

/** While a vif is redirected to it the domain owns the plug, and no file is written: this is the fast path. */
async function changePlug(dev: string, order: PlugOrder): Promise<number> {
  const vif = vifOf(readState(), dev);
  if (vif !== undefined) {
    const head = { op: 'tc-plug', ifb: dev, action: order.action, limit: order.limitBytes };
    await callOwner(vif, head);
    return 0;
  }
  return withLock('tc', () => {
    const state = readState();
    const plugged = state.plugs[dev];
    if (plugged === undefined)
      return kernelError('Qdisc not found. To create specify NLM_F_CREATE flag.');
    if (order.action === 'limit') plugged.limitBytes = order.limitBytes;
    else plugged.last = order.action;
    writeState(state);
    return 0;
  });
}

async function deletePlug(dev: string): Promise<number> {
  const state = readState();
  if (state.plugs[dev] === undefined)
    return kernelError('Cannot delete qdisc with handle of zero.');
  state.plugs = Object.fromEntries(Object.entries(state.plugs).filter(([ifb]) => ifb !== dev));
  writeState(state);
  const vif = vifOf(state, dev);
  if (vif !== undefined) await callOwner(vif, { op: 'tc-plug-del', ifb: dev });
  return 0;
}

async function filter(verb: string, words: readonly string[]): Promise<Answer> {
  const vif = after(words, 'dev') ?? '';
  if (!VIF.test(vif)) return 'real';
  if (!devices().has(vif)) return noDevice(vif);
  if (verb === 'show' || verb === 'list' || verb === 'ls') return showFilters(vif);
  return withLock('tc', () => changeFilter(verb, vif, words));
}

async function changeFilter(verb: string, vif: string, words: readonly string[]): Promise<number> {
  const state = readState();
  if (verb === 'del' || verb === 'delete') {
    state.redirect = Object.fromEntries(
      Object.entries(state.redirect).filter(([dev]) => dev !== vif),
    );
    writeState(state);
    await callOwner(vif, { op: 'tc-redirect', ifb: null });
    return 0;
  }
  const ifb = after(words.slice(words.indexOf('redirect')), 'dev');
  if (!words.includes('matchall') || !words.includes('mirred') || ifb === undefined) {
    err('simxen: only matchall action mirred egress redirect is simulated');
    return USAGE_ERROR;
  }
  if (!devices().has(ifb)) return noDevice(ifb);
  if (!state.ingress.includes(vif)) {
    kernelError("Parent Qdisc doesn't exists.");
    err('We have an error talking to the kernel');
    return KERNEL_ERROR;
  }
  state.redirect[vif] = ifb;
  writeState(state);
  await handOver(vif, ifb, state.plugs[ifb]);
  return 0;
}

/** The domain takes over the redirect, and the plug if there is one, as it stands. */
async function handOver(vif: string, ifb: string, plugged: Plug | undefined): Promise<void> {
  if (plugged !== undefined) {
    await callOwner(vif, { op: 'tc-plug-add', ifb, limit: plugged.limitBytes });
    if (plugged.last !== 'plugged')
      await callOwner(vif, { op: 'tc-plug', ifb, action: plugged.last });
  }
  await callOwner(vif, { op: 'tc-redirect', ifb });
}

function showFilters(vif: string): number {
  const ifb = readState().redirect[vif];
  if (ifb === undefined) return 0;
  out('filter parent ffff: protocol all pref 49152 matchall chain 0 \n');
  out('filter parent ffff: protocol all pref 49152 matchall chain 0 handle 0x1 \n  not_in_hw\n');
  out(
    `\taction order 1: mirred (Egress Redirect to device ${ifb}) stolen\n \tindex 1 ref 1 bind 1\n\n`,
  );
  return 0;
}

async function statsOf(state: TcState, ifb: string): Promise<PlugStats> {
  const vif = vifOf(state, ifb);
  if (vif === undefined) return NO_STATS;
  const reply = await callOwner(vif, { op: 'tc-stats', ifb });
  return (reply?.stats as PlugStats | null | undefined) ?? NO_STATS;
}

async function showQdiscs(dev: string | undefined, show: Show): Promise<Answer> {
  const state = readState();
  const ifbs = Object.keys(state.plugs).filter((ifb) => dev === undefined || ifb === dev);
  const vifs = state.ingress.filter((vif) => dev === undefined || vif === dev);
  if (ifbs.length === 0 && vifs.length === 0) return 'real';
  const entries: Record<string, unknown>[] = [];
  for (const ifb of ifbs) {
    const stats = await statsOf(state, ifb);
    const handle = state.plugs[ifb]?.handle ?? '8001:';
    entries.push({
      kind: 'plug',
      handle,
      ...(dev === undefined ? { dev: ifb } : {}),
      root: true,
      refcnt: 2,
      options: {},
      ...(show.stats ? jsonStats(stats) : {}),
    });
    if (!show.json) {
      out(`qdisc plug ${handle} ${dev === undefined ? `dev ${ifb} ` : ''}root refcnt 2 \n`);
      if (show.stats) showStats(stats);
    }
  }
  for (const vif of vifs) {
    entries.push({
      kind: 'ingress',
      handle: 'ffff:',
      ...(dev === undefined ? { dev: vif } : {}),
      parent: 'ffff:fff1',
      options: {},
    });
    if (show.json) continue;
    out(
      `qdisc ingress ffff: ${dev === undefined ? `dev ${vif} ` : ''}parent ffff:fff1 ---------------- \n`,
    );
    if (show.stats) showStats(NO_STATS);
  }
  if (show.json) out(`${JSON.stringify(entries)}\n`);
  return dev === undefined && !show.json ? 'real' : 0;
}

function jsonStats(stats: PlugStats): Record<string, number> {
  return {
    bytes: stats.sentBytes,
    packets: stats.sentPackets,
    drops: stats.dropped,
    overlimits: 0,
    requeues: 0,
    backlog: stats.backlogBytes,
    qlen: stats.backlogPackets,
  };
}

function showStats(stats: PlugStats): void {
  out(
    ` Sent ${stats.sentBytes} bytes ${stats.sentPackets} pkt (dropped ${stats.dropped}, overlimits 0 requeues 0) \n`,
  );
  out(` backlog ${stats.backlogBytes}b ${stats.backlogPackets}p requeues 0\n`);
}
