/** `remusctl dump VM`: the records of the live stream, asked of the sender that it passes through. */
import { z } from 'zod';
import type { ControlAnswer, ControlRequest } from './adapters/control-protocol.js';
import { type DumpOutcome, watchDump } from './adapters/dump-link.js';
import { OCF } from './core/ocf.js';
import { words } from './core/view.js';
import type { RemusNode } from './node.js';
import type { Clock, Cluster } from './ports.js';
import { DUMP_LIMITS, type SenderState } from './relay/control.js';
import type { DecodeEvent } from './stream/decoder.js';
import { inVmRoom, type Rooms } from './rooms.js';
import { whereItRuns } from './whereabouts.js';

export interface LiveDumpParts {
  readonly node: Pick<RemusNode, 'name' | 'known'>;
  readonly cluster: Pick<Cluster, 'readRecord'>;
  readonly rooms: Rooms;
  readonly clock: Clock;
}

export interface DumpTold {
  readonly progress: (text: string) => void;
  readonly item: (events: readonly DecodeEvent[]) => void;
  readonly abandoned: AbortSignal;
}

const whole = (max: number) =>
  z
    .string()
    .regex(/^[1-9][0-9]{0,8}$/)
    .transform(Number)
    .refine((value) => value <= max);
const optionsSchema = z.object({
  checkpoints: whole(DUMP_LIMITS.checkpoints),
  records: z.enum(['0', '1']),
  wait_ms: whole(DUMP_LIMITS.timeout_ms),
});

interface Asked {
  readonly resource: string;
  readonly checkpoints: number;
  readonly wait_ms: number;
}

export class LiveDumps {
  readonly #parts: LiveDumpParts;
  /** VMs that are being looked at. A sender has few lines to give away, and one of them is ours. */
  readonly #busy = new Set<string>();

  constructor(parts: LiveDumpParts) {
    this.#parts = parts;
  }

  async answer(request: ControlRequest, resource: string, told: DumpTold): Promise<ControlAnswer> {
    const options = optionsSchema.safeParse(request.options);
    if (!options.success) return { rc: OCF.ERR_ARGS, reason: NOT_UNDERSTOOD };
    const elsewhere = await this.#elsewhere(resource);
    if (elsewhere !== null) return failed(elsewhere);
    if (this.#sender(resource) === null) return failed(this.#notReplicating(resource));
    if (this.#busy.has(resource)) return failed(BUSY);
    this.#busy.add(resource);
    try {
      const { checkpoints, records, wait_ms } = options.data;
      const asked = { resource, checkpoints, wait_ms };
      return await this.#watch(asked, records === '1', told);
    } finally {
      this.#busy.delete(resource);
    }
  }

  /** The sender is where the VM runs, and what it sends is not to be seen from anywhere else. */
  async #elsewhere(resource: string): Promise<string | null> {
    const where = await whereItRuns(this.#parts, resource);
    if (where.kind === 'here') return null;
    if (where.kind === 'refused') return where.reason;
    return `${resource} runs on ${where.node}, and its stream can only be looked at there; type on ${where.node}: remusctl dump ${resource}`;
  }

  async #watch(asked: Asked, records: boolean, told: DumpTold): Promise<ControlAnswer> {
    const { resource, checkpoints, wait_ms: timeout_ms } = asked;
    const waits = waitsFor(this.#sender(resource));
    if (waits !== null) told.progress(`${waits}; the dump begins after it`);
    const outcome = await watchDump(inVmRoom(this.#parts.rooms, resource, 'sender.sock'), {
      command: { type: 'dump', checkpoints, records, timeout_ms },
      clock: this.#parts.clock,
      onEvents: told.item,
      abandoned: told.abandoned,
    });
    if (outcome.type === 'dump-end' && outcome.why === 'done')
      return { rc: OCF.SUCCESS, json: { checkpoints: outcome.whole } };
    return failed(this.#whyNot(outcome, asked));
  }

  #whyNot(outcome: DumpOutcome, asked: Asked): string {
    const { resource } = asked;
    switch (outcome.type) {
      case 'dump-end':
        return this.#cameTo(outcome, asked);
      case 'former':
        return `the sender of ${resource} was started by a former release, and cannot show its stream; it goes on as it is. For a new one type: remusctl resync ${resource} (it is unprotected meanwhile)`;
      case 'gone':
        return this.#notReplicating(resource);
      case 'cut':
        return `the sender of ${resource} broke the dump off: it was ended, or the dump was read too slowly; type: remusctl status ${resource}`;
      case 'silent':
        return `the sender of ${resource} does not answer; type: remusctl status ${resource}`;
      case 'rubbish':
        return `the sender of ${resource} answers what this remusd does not understand: it is of another release; type: remusctl version`;
    }
  }

  #cameTo(
    { why, whole: came, reason }: Extract<DumpOutcome, { type: 'dump-end' }>,
    { resource, checkpoints, wait_ms }: Asked,
  ): string {
    const so_far = `${came} of ${checkpoints} checkpoints`;
    switch (why) {
      case 'busy':
        return BUSY;
      case 'too-many':
        return `${so_far}, and the next has more records than a dump keeps; for the checkpoints alone type: remusctl dump ${resource} --summary`;
      case 'ended':
        return `${so_far}, then replication ended: ${reason ?? 'the sender gave no reason'}; type: remusctl status ${resource}`;
      case 'late':
      case 'done': {
        const seconds = wait_ms / 1_000;
        const waits = waitsFor(this.#sender(resource));
        const more = `type: remusctl status ${resource}; to wait longer: remusctl dump ${resource} --timeout S`;
        return `${so_far} came within ${seconds} s${waits === null ? '' : `: ${waits}`}; ${more}`;
      }
    }
  }

  #notReplicating(resource: string): string {
    const state = this.#parts.node.known(resource)?.driver.state;
    const now = state === undefined ? 'not started here' : (words(state) ?? 'stopped');
    return `${resource} is not replicating (${now}), so there is no stream to look at; type: remusctl status ${resource}`;
  }

  #sender(resource: string): SenderState | null {
    return this.#parts.node.known(resource)?.plane.sender ?? null;
  }
}

const NOT_UNDERSTOOD =
  'remusd does not understand what is to be dumped: are remusctl and remusd of the same release? Type: remusctl version';
const BUSY = 'somebody else is looking at this stream, and only one can; type it again';

/** What must come before a dump can begin. */
function waitsFor(sender: SenderState | null): string | null {
  if (sender?.phase === 'connecting') return 'the sender is not connected to the backup yet';
  return sender?.phase === 'first-copy' ? 'the first copy is under way' : null;
}

function failed(reason: string): ControlAnswer {
  return { rc: OCF.ERR_GENERIC, reason };
}
