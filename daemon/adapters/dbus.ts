/**
 * The D-Bus service. It shows what the driver tells it (`update`) and passes operators' wishes on; whatever happens
 * to the bus, the connection is made anew in the background and nobody else notices. dbus-next is kept inside this
 * file and dbus-interfaces.ts: it does not tell when a connection dies, so its stream is watched; it never settles a
 * call on a dead bus, so each has a deadline; signals are not subscribed to, because its match rules leak.
 */
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import dbus from 'dbus-next';
import type { VmStatus } from '../../ctl/status.js';
import {
  BUS_NAME,
  MANAGER_PATH,
  ManagerInterface,
  VmInterface,
  busTrouble,
  vmPath,
} from './dbus-interfaces.js';
import type { Move } from './dbus-interfaces.js';
import { patient } from './patience.js';

export type { Move, MoveRequest } from './dbus-interfaces.js';

const SYSTEM_BUS = 'unix:path=/run/dbus/system_bus_socket';
const CALL_TIMEOUT_MS = patient(5000);
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30_000;
/** A bus that does not read is left when so much waits for it. */
const MAX_UNREAD_BYTES = 1024 * 1024;

export interface DBusOptions {
  readonly release: string;
  readonly node: string;
  readonly move: Move;
  /** Default: DBUS_SYSTEM_BUS_ADDRESS, else the system bus. */
  readonly address?: string;
  readonly first_retry_ms?: number;
  /** The bus came or went; once per change, not per attempt. */
  readonly onNote?: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

export interface DBusService {
  /** Whether callers reach us now. */
  readonly serving: boolean;
  /** The VMs as they are now. Cheap: nothing is sent unless a state has changed. Never throws. */
  update(vms: readonly VmStatus[]): void;
  close(): void;
}

/** The address of the system bus. */
export function busAddress(env: Readonly<Record<string, string | undefined>>): string {
  return env['DBUS_SYSTEM_BUS_ADDRESS'] ?? SYSTEM_BUS;
}

/** What of dbus-next's private parts we need: its stream, to learn that it died and how much it holds back. */
function streamOf(bus: dbus.MessageBus): Socket {
  const { _connection: connection } = bus as unknown as {
    _connection: EventEmitter & { stream: Socket };
  };
  return connection.stream;
}

function within<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the bus gave no answer')), CALL_TIMEOUT_MS);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** The package's types want a string for the message. */
const newError = dbus.Message.newError.bind(dbus.Message) as unknown as (
  message: dbus.Message,
  name: string,
  text: string,
) => dbus.Message;

/**
 * Calls that dbus-next answers wrongly itself: it carries a write of a read-only property out, and it sends stacks
 * when the machine id cannot be read.
 */
function refuse(message: dbus.Message): dbus.Message | null {
  const { interface: name, member } = message;
  if (name === 'org.freedesktop.DBus.Properties' && member === 'Set') {
    const error = 'org.freedesktop.DBus.Error.PropertyReadOnly';
    return newError(message, error, 'all properties are read-only');
  }
  if (name === 'org.freedesktop.DBus.Peer' && member === 'GetMachineId') {
    const error = 'org.freedesktop.DBus.Error.NotSupported';
    return newError(message, error, 'type: cat /etc/machine-id');
  }
  return null;
}

class BusService implements DBusService {
  readonly #options: DBusOptions;
  readonly #manager: ManagerInterface;
  readonly #vms = new Map<string, VmInterface>();
  #bus: dbus.MessageBus | null = null;
  #serving = false;
  /** The known VMs have been exported on this bus: later ones must be, too. */
  #exported = false;
  #closed = false;
  #retry: NodeJS.Timeout | undefined;
  #retry_ms: number;
  #said = '';

  constructor(options: DBusOptions) {
    this.#options = options;
    this.#retry_ms = options.first_retry_ms ?? FIRST_RETRY_MS;
    const list = (): readonly VmStatus[] => [...this.#vms.values()].map((vm) => vm.status);
    this.#manager = new ManagerInterface(options.release, options.node, list);
    void this.#connect();
  }

  get serving(): boolean {
    return this.#serving;
  }

  /** Never rejects. */
  async #connect(): Promise<void> {
    const address = this.#options.address ?? busAddress(process.env);
    let bus: dbus.MessageBus | null = null;
    try {
      // sessionBus takes an address; systemBus would need the optional native module for some.
      bus = dbus.sessionBus({ busAddress: address });
      await this.#serve(bus);
      this.#said = '';
      this.#retry_ms = this.#options.first_retry_ms ?? FIRST_RETRY_MS;
      this.#note('D-Bus service is up', { address, name: BUS_NAME });
    } catch (error) {
      this.#lost(bus, busTrouble(error));
    }
  }

  async #serve(bus: dbus.MessageBus): Promise<void> {
    this.#bus = bus;
    // Without a listener an error would end the process.
    bus.on('error', (error: unknown) => this.#lost(bus, busTrouble(error)));
    const stream = streamOf(bus);
    stream.once('close', () => this.#lost(bus, 'the bus closed the connection'));
    this.#keepQuiet(bus);
    await within(new Promise<void>((resolve) => void bus.on('connect', resolve)));
    bus.export(MANAGER_PATH, this.#manager);
    for (const [resource, vm] of this.#vms) bus.export(vmPath(resource), vm);
    this.#exported = true;
    const reply = await within(bus.requestName(BUS_NAME, dbus.NameFlag.DO_NOT_QUEUE));
    if (reply !== dbus.RequestNameReply.PRIMARY_OWNER) {
      throw new Error(`${BUS_NAME} has another owner: is a second remusd running?`);
    }
    if (this.#bus !== bus) throw new Error('the bus closed the connection');
    this.#serving = true;
    // The daemon's own work keeps it alive, not an idle bus.
    stream.unref();
  }

  /** Take over what dbus-next does badly, and let no stack of ours out. */
  #keepQuiet(bus: dbus.MessageBus): void {
    const send = bus.send.bind(bus);
    bus.send = (message) => {
      const { errorName } = message as { readonly errorName?: string };
      if (errorName?.startsWith('com.github.dbus_next') === true) {
        this.#note('a D-Bus call could not be answered', { why: message.body });
        message.body = ['remusd could not answer; look at "journalctl -u remusd"'];
      }
      if (!streamOf(bus).destroyed) send(message);
    };
    bus.addMethodHandler((message: dbus.Message) => {
      const refusal = refuse(message);
      if (refusal) bus.send(refusal);
      return refusal !== null;
    });
  }

  /** This connection is over: forget it, and try again later. */
  #lost(bus: dbus.MessageBus | null, why: string): void {
    if (bus !== this.#bus && bus !== null) return;
    this.#bus = null;
    this.#serving = false;
    this.#exported = false;
    if (bus) this.#leave(bus);
    if (this.#closed || this.#retry) return;
    if (this.#said !== why) this.#note('D-Bus service is down; trying again', { why });
    this.#said = why;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      void this.#connect();
    }, this.#retry_ms);
    this.#retry.unref();
    this.#retry_ms = Math.min(this.#retry_ms * 2, LAST_RETRY_MS);
  }

  /** Unexport, so that our interfaces do not go on talking to a dead bus. */
  #leave(bus: dbus.MessageBus): void {
    try {
      for (const [resource, vm] of this.#vms) unexport(bus, vmPath(resource), vm);
      unexport(bus, MANAGER_PATH, this.#manager);
    } finally {
      streamOf(bus).destroy();
    }
  }

  update(vms: readonly VmStatus[]): void {
    try {
      this.#update(vms);
    } catch (error) {
      this.#lost(this.#bus, busTrouble(error));
    }
    const bus = this.#bus;
    if (bus && streamOf(bus).writableLength > MAX_UNREAD_BYTES) {
      this.#lost(bus, 'the bus does not read what it is sent');
    }
  }

  #update(vms: readonly VmStatus[]): void {
    const now = new Map(vms.map((vm) => [vm.resource, vm]));
    let listed = false;
    for (const [resource, vm] of [...this.#vms]) {
      if (now.has(resource)) continue;
      listed = true;
      this.#vms.delete(resource);
      if (this.#bus) unexport(this.#bus, vmPath(resource), vm);
    }
    for (const [resource, status] of now) {
      const known = this.#vms.get(resource);
      if (known) this.#changed(known, known.take(status));
      else {
        listed = true;
        this.#add(resource, status);
      }
    }
    if (listed) this.#changed(this.#manager, { Vms: this.#manager.Vms });
  }

  #add(resource: string, status: VmStatus): void {
    const vm = new VmInterface(status, this.#options.move);
    this.#vms.set(resource, vm);
    if (this.#exported) this.#bus?.export(vmPath(resource), vm);
  }

  #changed(of: VmInterface | ManagerInterface, properties: Record<string, unknown>): void {
    if (!this.#serving || Object.keys(properties).length === 0) return;
    dbus.interface.Interface.emitPropertiesChanged(of, properties, []);
  }

  #note(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#options.onNote?.(message, fields);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    const bus = this.#bus;
    this.#bus = null;
    this.#serving = false;
    this.#exported = false;
    if (bus) this.#leave(bus);
  }
}

function unexport(bus: dbus.MessageBus, path: string, of: VmInterface | ManagerInterface): void {
  try {
    bus.unexport(path, of);
  } catch {
    // It had not been exported yet.
  }
}

/** Start the service; the bus may come and go. */
export function createDBusService(options: DBusOptions): DBusService {
  return new BusService(options);
}
