/**
 * What the D-Bus service shows: one Manager and an object a VM. dbus-next sends a thrown error's stack to the caller
 * unless it is a DBusError, so every method goes through `answered`.
 */
import dbus from 'dbus-next';
import type { VmStatus } from '../../ctl/status.js';
import type { ControlAnswer } from './control-protocol.js';
import { isAdapterError, oneLine, sentenceOf } from './errors.js';

export const BUS_NAME = 'org.pacemakerremus1';
export const MANAGER_PATH = '/org/pacemakerremus1';
const ERROR = `${BUS_NAME}.Error`;
const DEFAULT_MOVE_MS = 120_000;
const MAX_MOVE_MS = 3_600_000;
/** The daemon gives up by itself; this is for one that does not. */
const MOVE_MARGIN_MS = 10_000;
/** Exit codes of the control socket. */
const RC_USAGE = 2;
const RC_REFUSED = 3;
/** remusd does not learn who calls. */
const CALLER = 'D-Bus';

/** An operator's wish, as remusctl has it. */
export interface MoveRequest {
  readonly action: 'switchover' | 'failover' | 'pause' | 'pause-for' | 'resume' | 'resync';
  readonly resource: string;
  readonly timeout_ms: number;
  readonly options: Readonly<Record<string, string>>;
}
/** Carries it out; the same code as for remusctl. */
export type Move = (request: MoveRequest) => Promise<ControlAnswer>;

/** Of an answer. */
type Json = Readonly<Record<string, unknown>>;

/** The object path of a VM: what is neither letter nor digit becomes `_xx`, as systemd does it. */
export function vmPath(resource: string): string {
  const escaped = [...Buffer.from(resource)]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      return /[A-Za-z0-9]/.test(char) ? char : `_${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
  return `${MANAGER_PATH}/vm/${escaped === '' ? '_' : escaped}`;
}

/** The work's result, or a DBusError and nothing else, within the deadline. */
async function answered<T>(timeout_ms: number, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new dbus.DBusError(`${ERROR}.Timeout`, `no result within ${timeout_ms} ms`));
    }, timeout_ms);
  });
  try {
    return await Promise.race([work(), late]);
  } catch (error) {
    if (error instanceof dbus.DBusError) throw error;
    const text = isAdapterError(error)
      ? error.sentence
      : 'it failed; look at "journalctl -u remusd"';
    throw new dbus.DBusError(`${ERROR}.Failed`, text);
  } finally {
    clearTimeout(timer);
  }
}

/** D-Bus strings have no NUL. */
function text(value: string | null | undefined): string {
  return oneLine(value ?? '');
}

/** A count; D-Bus has no null, so unknown is 0. */
function count(value: number | null): bigint {
  return value === null || !Number.isFinite(value) ? 0n : BigInt(Math.max(0, Math.round(value)));
}

/** A measure; unknown is -1. */
function measure(value: number | null): number {
  return value ?? -1;
}

/** Properties whose change is signalled: they change with the VM's state, not with each checkpoint. */
export const STATE_PROPERTIES = [
  'Domain',
  'Role',
  'State',
  'Words',
  'Reason',
  'Hint',
  'Peer',
  'Generation',
  'OutputHeld',
  'NetbufOff',
] as const;
type StateProperty = (typeof STATE_PROPERTIES)[number];

interface Introspected {
  property?: { readonly $: { readonly name: string }; annotation?: unknown }[];
}

/** dbus-next cannot say which properties are not signalled; without it a caller would cache them for ever. */
function markSilent(introspected: Introspected, isSilent: (name: string) => boolean): Introspected {
  const annotation = {
    $: { name: 'org.freedesktop.DBus.Property.EmitsChangedSignal', value: 'false' },
  };
  for (const property of introspected.property ?? []) {
    if (isSilent(property.$.name)) property.annotation = [annotation];
  }
  return introspected;
}

/** org.pacemakerremus1.Vm */
export class VmInterface extends dbus.interface.Interface {
  #status: VmStatus;
  readonly #move: Move;

  constructor(status: VmStatus, move: Move) {
    super(`${BUS_NAME}.Vm`);
    this.#status = status;
    this.#move = move;
  }

  get status(): VmStatus {
    return this.#status;
  }

  /** Take a new status; gives the state properties that have changed. */
  take(status: VmStatus): Partial<Record<StateProperty, unknown>> {
    const before = STATE_PROPERTIES.map((name) => this[name]);
    this.#status = status;
    const changed = STATE_PROPERTIES.filter((name, index) => this[name] !== before[index]);
    return Object.fromEntries(changed.map((name) => [name, this[name]]));
  }

  get Name(): string {
    return text(this.#status.resource);
  }
  get Domain(): string {
    return text(this.#status.domain);
  }
  get Role(): string {
    return text(this.#status.role);
  }
  get State(): string {
    return text(this.#status.state);
  }
  get Words(): string {
    return text(this.#status.words);
  }
  get Reason(): string {
    return text(this.#status.reason);
  }
  get Hint(): string {
    return text(this.#status.hint);
  }
  get Peer(): string {
    return text(this.#status.peer);
  }
  get Generation(): bigint {
    return count(this.#status.generation);
  }
  get OutputHeld(): boolean {
    return this.#status.held;
  }
  /** P3 does not hold for this VM. */
  get NetbufOff(): boolean {
    return this.#status.netbuf_off === true;
  }
  get CheckpointsSent(): bigint {
    return count(this.#status.checkpoint.sent);
  }
  get CheckpointsAcked(): bigint {
    return count(this.#status.checkpoint.acked);
  }
  get CheckpointsComplete(): bigint {
    return count(this.#status.checkpoint.complete);
  }
  get LagMs(): number {
    return measure(this.#status.acked_age_ms);
  }
  get RatePerSecond(): number {
    return measure(this.#status.rate_per_s);
  }
  get LastPauseMs(): number {
    return measure(this.#status.last_pause_ms);
  }
  get LastAckMs(): number {
    return measure(this.#status.last_ack_ms);
  }
  get BytesTotal(): bigint {
    return count(this.#status.bytes_total);
  }

  /** To a node ('': the backup), in milliseconds (0: 120 s). */
  Switchover(to: string, timeout_ms: number): Promise<[string, string, number]> {
    return this.#moved('switchover', timeout_ms, to === '' ? {} : { to });
  }

  /** Fences the node that runs the VM: `force` must be true. */
  Failover(force: boolean, timeout_ms: number): Promise<[string, string, number]> {
    return this.#moved('failover', timeout_ms, force ? { force: '1' } : {});
  }

  /** Why ('': not said), for so many seconds (0: until Resume), in milliseconds (0: 120 s). */
  Pause(why: string, for_s: number, timeout_ms: number): Promise<[string, boolean, string]> {
    const said = { by: CALLER, ...(why === '' ? {} : { why }) };
    return for_s === 0
      ? this.#ordered('pause', timeout_ms, said, pauseResult)
      : this.#ordered('pause-for', timeout_ms, { ...said, for_s: String(for_s) }, pauseResult);
  }

  Resume(timeout_ms: number): Promise<[string, boolean, string]> {
    return this.#ordered('resume', timeout_ms, {}, pauseResult);
  }

  /** A new replica: the VM is unprotected until the first copy is done. */
  Resync(timeout_ms: number): Promise<[string, number, string]> {
    return this.#ordered('resync', timeout_ms, { by: CALLER }, resyncResult);
  }

  #moved(
    action: MoveRequest['action'],
    timeout_ms: number,
    options: Readonly<Record<string, string>>,
  ): Promise<[string, string, number]> {
    return this.#ordered(action, timeout_ms, options, moveResult);
  }

  #ordered<T>(
    action: MoveRequest['action'],
    asked_ms: number,
    options: Readonly<Record<string, string>>,
    result: (json: Json) => T,
  ): Promise<T> {
    const timeout_ms = asked_ms === 0 ? DEFAULT_MOVE_MS : Math.min(asked_ms, MAX_MOVE_MS);
    const { resource } = this.#status;
    return answered(timeout_ms + MOVE_MARGIN_MS, async () => {
      return result(doneWith(await this.#move({ action, resource, timeout_ms, options })));
    });
  }

  /** Called by dbus-next for Introspect. */
  $introspect(): Introspected {
    const base = dbus.interface.Interface.prototype as unknown as { $introspect(): Introspected };
    const signalled: readonly string[] = STATE_PROPERTIES;
    return markSilent(base.$introspect.call(this), (name) => !signalled.includes(name));
  }
}

/** From, to, interruption in milliseconds (-1: not measured). */
function moveResult({ from, to, interruption_ms }: Json): [string, string, number] {
  return [textIn(from), textIn(to), typeof interruption_ms === 'number' ? interruption_ms : -1];
}

/** Where the VM runs, whether it was not so before, and its state in words. */
function pauseResult({ node, changed, words }: Json): [string, boolean, string] {
  return [textIn(node), changed === true, textIn(words)];
}

/** Where the new replica is, how long the VM was unprotected in milliseconds (-1: it was not protected before), and its state in words. */
function resyncResult({ to, unprotected_ms, words }: Json): [string, number, string] {
  return [textIn(to), typeof unprotected_ms === 'number' ? unprotected_ms : -1, textIn(words)];
}

function textIn(value: unknown): string {
  return typeof value === 'string' ? text(value) : '';
}

/** What came of it. @throws DBusError */
function doneWith(answer: ControlAnswer): Json {
  if (answer.rc === 0) return (answer.json ?? {}) as Json;
  const kind =
    answer.rc === RC_USAGE ? 'WrongUsage' : answer.rc === RC_REFUSED ? 'Refused' : 'Failed';
  throw new dbus.DBusError(
    `${ERROR}.${kind}`,
    text(answer.reason ?? 'no reason was given; look at "journalctl -u remusd"'),
  );
}

VmInterface.configureMembers({
  properties: {
    ...Object.fromEntries(
      ['Name', 'Domain', 'Role', 'State', 'Words', 'Reason', 'Hint', 'Peer'].map((name) => [
        name,
        { signature: 's', access: dbus.interface.ACCESS_READ },
      ]),
    ),
    ...Object.fromEntries(
      [
        'Generation',
        'CheckpointsSent',
        'CheckpointsAcked',
        'CheckpointsComplete',
        'BytesTotal',
      ].map((name) => [name, { signature: 't', access: dbus.interface.ACCESS_READ }]),
    ),
    ...Object.fromEntries(
      ['LagMs', 'RatePerSecond', 'LastPauseMs', 'LastAckMs'].map((name) => [
        name,
        { signature: 'd', access: dbus.interface.ACCESS_READ },
      ]),
    ),
    OutputHeld: { signature: 'b', access: dbus.interface.ACCESS_READ },
    NetbufOff: { signature: 'b', access: dbus.interface.ACCESS_READ },
  },
  methods: {
    Switchover: { inSignature: 'su', outSignature: 'ssd' },
    Failover: { inSignature: 'bu', outSignature: 'ssd' },
    Pause: { inSignature: 'suu', outSignature: 'sbs' },
    Resume: { inSignature: 'u', outSignature: 'sbs' },
    Resync: { inSignature: 'u', outSignature: 'sds' },
  },
});

/** org.pacemakerremus1.Manager */
export class ManagerInterface extends dbus.interface.Interface {
  readonly #release: string;
  readonly #node: string;
  readonly #vms: () => readonly VmStatus[];

  constructor(release: string, node: string, vms: () => readonly VmStatus[]) {
    super(`${BUS_NAME}.Manager`);
    this.#release = release;
    this.#node = node;
    this.#vms = vms;
  }

  get Version(): string {
    return text(this.#release);
  }
  get Node(): string {
    return text(this.#node);
  }
  get Vms(): string[] {
    return this.#vms().map((vm) => vmPath(vm.resource));
  }

  /** Name, object path, role, state, words. */
  ListVms(): Promise<[string, string, string, string, string][]> {
    return answered(MOVE_MARGIN_MS, () =>
      Promise.resolve(
        this.#vms().map((vm): [string, string, string, string, string] => [
          text(vm.resource),
          vmPath(vm.resource),
          text(vm.role),
          text(vm.state),
          text(vm.words),
        ]),
      ),
    );
  }
}

ManagerInterface.configureMembers({
  properties: {
    Version: { signature: 's', access: dbus.interface.ACCESS_READ },
    Node: { signature: 's', access: dbus.interface.ACCESS_READ },
    Vms: { signature: 'ao', access: dbus.interface.ACCESS_READ },
  },
  methods: { ListVms: { outSignature: 'a(sosss)' } },
});

/** The text of anything that went wrong with the bus. */
export function busTrouble(error: unknown): string {
  return error instanceof dbus.DBusError
    ? oneLine(`${error.type}: ${error.text}`)
    : sentenceOf(error);
}
