import type { Invocation } from '../commands.js';
import { EXIT } from '../exit-codes.js';
import { pairs, wrap } from '../render/text.js';
import { duration } from '../render/units.js';
import type { Status, VmStatus } from '../status.js';
import type { World } from '../world.js';
import { askStatus, findVm } from './ask.js';
import { dryRun } from './dry-run.js';
import { move } from './move.js';

export async function failover(invocation: Invocation, world: World): Promise<number> {
  // Also with --force: who has typed both has not made up his mind.
  if (invocation.flags.has('dry-run')) return dryRun('failover', {}, invocation, world);
  if (invocation.flags.has('force'))
    return move('failover', 'failed over', { force: '1' }, invocation, world);
  const name = invocation.words[0] ?? '';
  const status = await askStatus(world);
  world.err(explanation(status, findVm(status, name)));
  return EXIT.usage;
}

/** What a failover would do now, and what would be lost. */
export function explanation(status: Status, vm: VmStatus): string {
  const name = vm.resource;
  if (vm.role !== 'primary' && vm.role !== 'backup')
    return `remusctl: ${name} runs neither here nor on ${vm.peer ?? 'a peer'}, as far as ${status.node} can tell. Type: crm_mon -1A\n`;
  const here = status.node;
  const there = vm.peer ?? 'its peer';
  const [from, to] = vm.role === 'primary' ? [here, there] : [there, here];
  if (isOffline(status, to))
    return `remusctl: ${to} is offline: there is no node that ${name} could fail over to. Type: crm_mon -1A\n`;
  const wouldDo = [
    `fence ${from}, the node that runs ${name}, with everything else that runs there;`,
    whatGoesOn(vm, to),
  ];
  const next: [string, string][] = [
    [`is ${from} well?`, 'crm_mon -1A'],
    ['would it work?', `remusctl failover ${name} --dry-run`],
    ['yes: move without loss', `remusctl switchover ${name}`],
    ['not to be trusted', `remusctl failover ${name} --force`],
  ];
  return [
    `remusctl: nothing was done: failover needs --force. For ${name} it would:`,
    ...wouldDo.map((text) => `  - ${wrap(text, 84).replaceAll('\n', '\n    ')}`),
    pairs(next, 88),
    '',
  ].join('\n');
}

function isOffline(status: Status, node: string): boolean {
  return status.peers.some((peer) => peer.node === node && !peer.online);
}

function whatGoesOn(vm: VmStatus, to: string): string {
  const newest = vm.role === 'backup' ? vm.checkpoint.complete : vm.checkpoint.acked;
  const safe = vm.role === 'backup' ? vm.state === 'ready' : vm.state === 'protected';
  if (!safe || newest === null)
    return `start ${vm.resource} anew on ${to}: it is not protected now (${vm.words}), so its whole memory would be lost.`;
  const age = vm.acked_age_ms === null ? '' : `, now ${duration(vm.acked_age_ms)} old`;
  return `go on with ${vm.resource} on ${to} from checkpoint ${newest}${age}. What the VM did after that would be lost; its clients have not seen it.`;
}
