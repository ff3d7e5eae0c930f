/** What the commands share: a question to the daemon, and what to say when there is no good answer. */
import { type Member, membersOf } from '../members.js';
import type { Status, VmStatus } from '../status.js';
import type { World } from '../world.js';
import { patient } from '../../daemon/adapters/patience.js';

/** A command ends with this message and exit code. */
export class CommandError extends Error {
  readonly exit_code: number;

  constructor(exit_code: number, message: string) {
    super(message);
    this.name = 'CommandError';
    this.exit_code = exit_code;
  }
}

const status_timeout_ms = patient(10_000);

/** @throws ClientError, CommandError */
export async function askStatus(world: World): Promise<Status> {
  // Importing the schema takes as long as the answer: both at once.
  const [answer, { parseStatus }] = await Promise.all([
    world.ask({ action: 'status' }, { timeout_ms: status_timeout_ms }),
    import('../status-schema.js'),
  ]);
  if (answer.rc !== 0) throw new CommandError(answer.rc, answer.reason ?? 'remusd gave no reason');
  const status = parseStatus(answer.json);
  if (status !== null) return status;
  throw new CommandError(
    1,
    'remusd answered something else than a status: is it of another release? Type: remusctl version',
  );
}

/** The VM of that name on the node that was asked. @throws CommandError that lists what there is */
export function findVm(status: Status, name: string): VmStatus {
  const vm = status.vms.find((candidate) => candidate.resource === name);
  if (vm !== undefined) return vm;
  const names = status.vms.map((known) => known.resource).join(', ');
  const known = names === '' ? 'it manages none' : `it manages ${names}`;
  throw new CommandError(1, `remusd on ${status.node} knows no VM "${name}": ${known}`);
}

/** The VM of that name on all nodes that answer; at least one. @throws CommandError that lists what there is */
export function findMembers(status: Status, name: string): readonly Member[] {
  const members = membersOf(status);
  const found = members.filter(({ vm }) => vm.resource === name);
  if (found.length > 0) return found;
  const names = [...new Set(members.map(({ vm }) => vm.resource))].join(', ');
  const known = names === '' ? 'there is none' : `there are ${names}`;
  throw new CommandError(1, `no node that answers knows a VM "${name}": ${known}`);
}
