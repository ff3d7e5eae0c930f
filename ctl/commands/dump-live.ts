/** The next checkpoints of a VM's live stream, from its sender through remusd on this node. */
import { patient } from '../../daemon/adapters/patience.js';
import type { Invocation } from '../commands.js';
import { codeOf } from '../error-text.js';
import { EXIT } from '../exit-codes.js';
import { LIVE_DUMP, onlyOfVm } from '../live-dump.js';
import type { DumpForm } from '../render/dump.js';
import type { World } from '../world.js';
import { CommandError } from './ask.js';

/** On top of the time for the checkpoints: remusd asks Pacemaker where the VM runs, and the sender for its last word. */
const more_ms = patient(30_000);
/** What the daemon answers to an action that it does not know. */
const unimplemented = 3;

/** @throws CommandError, ClientError */
export async function dumpLive(
  vm: string,
  invocation: Invocation,
  form: DumpForm,
  world: World,
): Promise<number> {
  const { parseDumpEvents } = await import('../../daemon/relay/dump-lines.js');
  const shown = new Shown(vm, form, world, onlyOfVm(invocation) === undefined);
  const wait_ms = Number(invocation.values.get('timeout') ?? LIVE_DUMP.timeout_s) * 1_000;
  const fields = {
    action: 'dump',
    resource: vm,
    checkpoints: invocation.values.get('checkpoints') ?? String(LIVE_DUMP.checkpoints),
    records: invocation.flags.has('summary') ? '0' : '1',
    wait_ms: String(wait_ms),
  };
  // For a program only the events count.
  const progress = (text: string): unknown =>
    text === '' || invocation.flags.has('json') ? undefined : world.err(`${vm}: ${text}\n`);
  const answer = await world
    .ask(fields, {
      timeout_ms: wait_ms + more_ms,
      progress,
      item: (item) => shown.show(parseDumpEvents(item)),
    })
    .catch((error: unknown) => {
      throw shown.brokenOff(error);
    });
  if (answer.rc === unimplemented) throw shown.failed(FORMER);
  if (answer.rc !== EXIT.ok) throw shown.failed(answer.reason ?? 'remusd gave no reason');
  return EXIT.ok;
}

const FORMER =
  'remusd here is of a former release and cannot show the stream of a VM; type: systemctl restart remusd';

/** What has been printed. */
class Shown {
  readonly #vm: string;
  readonly #form: DumpForm;
  readonly #world: World;
  /** Somebody may have meant a file, and mistyped its name. */
  readonly #perhaps_file: boolean;
  #any = false;

  constructor(vm: string, form: DumpForm, world: World, perhaps_file: boolean) {
    this.#vm = vm;
    this.#form = form;
    this.#world = world;
    this.#perhaps_file = perhaps_file;
  }

  /** @throws when it is nothing that can be shown: the client says that remusd has answered rubbish */
  show(events: Parameters<DumpForm['lines']>[0] | null): void {
    if (events === null) throw new Error('no events');
    if (!this.#any) this.#world.out(this.#form.head);
    this.#any = true;
    this.#world.out(this.#form.lines(events));
  }

  failed(why: string): CommandError {
    const file = this.#any || !this.#perhaps_file ? '' : ' (there is no file of that name here)';
    return new CommandError(EXIT.failed, `the stream of VM ${this.#vm}${file}: ${why}`);
  }

  /** A line that is cut in the middle is remusd's way not to wait for a slow reader. */
  brokenOff(error: unknown): unknown {
    if (this.#perhaps_file && codeOf(error) === 'not-running')
      return this.failed('remusd is not running here; type: systemctl status remusd');
    if (!this.#any || codeOf(error) !== 'cut' || this.#world.interrupted.aborted) return error;
    return this.failed(
      `it was broken off: remusd has ended, or this was read too slowly; type: remusctl dump ${this.#vm} --json > FILE`,
    );
  }
}
