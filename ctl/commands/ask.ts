/** What the commands share: a question to the daemon, and what to say when there is no good answer. */
import { EXIT } from '../exit-codes.js';
import { type Member, membersOf } from '../members.js';
import type { Status, VmStatus } from '../status.js';
import type { AskDaemonOptions, World } from '../world.js';
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

/** What the daemon answers to an action that it does not know. */
export const UNIMPLEMENTED = 3;

export const NO_REASON = 'remusd gave no reason; type: journalctl -u remusd -n 20';

export interface Question<T> {
  readonly fields: Readonly<Record<string, string>>;
  readonly options: AskDaemonOptions;
  /** Understands the answer; a promise, for importing a schema takes as long as the answer: both at once. */
  readonly parse: Promise<(json: unknown) => T | null>;
  /** What the answer is, without an article. */
  readonly noun: string;
}

export interface Found<T> {
  readonly found: T;
  /** As it came: a later daemon may say more. */
  readonly json: unknown;
}

/** @throws ClientError, CommandError */
export async function askFor<T>(world: World, question: Question<T>): Promise<Found<T>> {
  const { fields, options, noun } = question;
  const [answer, parse] = await Promise.all([world.ask(fields, options), question.parse]);
  if (answer.rc !== EXIT.ok) throw new CommandError(answer.rc, answer.reason ?? NO_REASON);
  return { found: understood(parse(answer.json), noun), json: answer.json };
}

/** @param found null: it is of another shape. @throws CommandError */
export function understood<T>(found: T | null, noun: string): T {
  if (found !== null) return found;
  throw new CommandError(
    EXIT.failed,
    `remusd answered something else than a ${noun}, as one of another release would; type: remusctl version, and if it names two releases: systemctl restart remusd`,
  );
}

/**
 * As `askFor`, of what a remusd of a former release does not know and one that knows it does not refuse.
 * @param failed what each complaint begins with
 * @throws ClientError, CommandError
 */
export async function askForNewer<T>(
  world: World,
  question: Question<T>,
  failed: string,
): Promise<Found<T>> {
  try {
    return await askFor(world, question);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const why =
      error.exit_code === UNIMPLEMENTED
        ? `remusd here is of a former release and knows no ${question.noun}; type: systemctl restart remusd`
        : error.message;
    throw new CommandError(EXIT.failed, `${failed}: ${why}`);
  }
}

/** @throws ClientError, CommandError */
export async function askStatus(world: World): Promise<Status> {
  const { found } = await askFor(world, {
    ...{ fields: { action: 'status' }, options: { timeout_ms: status_timeout_ms } },
    parse: import('../status-schema.js').then(({ parseStatus }) => parseStatus),
    noun: 'status',
  });
  return found;
}

/** The VM of that name on the node that was asked. @throws CommandError that lists what there is */
export function findVm(status: Status, name: string): VmStatus {
  const vm = status.vms.find((candidate) => candidate.resource === name);
  if (vm !== undefined) return vm;
  const names = status.vms.map((known) => known.resource).join(', ');
  const known =
    names === '' ? 'it manages none; where a VM runs: crm_mon -1A' : `it manages ${names}`;
  throw new CommandError(1, `remusd on ${status.node} knows no VM "${name}": ${known}`);
}

/** The VM of that name on all nodes that answer; at least one. @throws CommandError that lists what there is */
export function findMembers(status: Status, name: string): readonly Member[] {
  const members = membersOf(status);
  const found = members.filter(({ vm }) => vm.resource === name);
  if (found.length > 0) return found;
  const names = [...new Set(members.map(({ vm }) => vm.resource))].join(', ');
  const known =
    names === '' ? 'there is none; what Pacemaker has: crm_mon -1A' : `there are ${names}`;
  throw new CommandError(1, `no node that answers knows a VM "${name}": ${known}`);
}
