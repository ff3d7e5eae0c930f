/** What the commands share: a question to the daemon, and what to say when there is no good answer. */
import type { Status } from '../status.js';
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

/** The VM of that name. @throws CommandError that lists what there is */
export function findVm(status: Status, name: string) {
  const vm = status.vms.find((candidate) => candidate.resource === name);
  if (vm !== undefined) return vm;
  const names = status.vms.map((known) => known.resource).join(', ');
  const known = names === '' ? 'it manages none' : `it manages ${names}`;
  throw new CommandError(1, `remusd on ${status.node} knows no VM "${name}": ${known}`);
}
