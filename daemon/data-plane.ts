/** The lines to one VM's data processes, and what they last said. */
import { DataLink, type DataLinkEvents } from './adapters/data-link.js';
import type { Event } from './core/event.js';
import type { Clock } from './ports.js';
import type {
  ReceiverCommand,
  ReceiverState,
  ReplicaId,
  SenderCommand,
  SenderState,
} from './relay/control.js';
import type { SenderHistograms } from './relay/sender-histograms.js';
import { inVmRoom, type Rooms } from './rooms.js';

/** A line to a data process: what is used of DataLink. */
export type Line = Pick<DataLink, 'lost' | 'send' | 'close'>;
/** @param path the socket of the data process. */
export type ConnectLine = (path: string, clock: Clock, events: DataLinkEvents) => Line;

type Watcher<S> = (state: S | { readonly gone: string }) => boolean;

/** One VM's data processes on this node: at most one sender and one receiver. */
export class DataPlane {
  readonly #rooms: Rooms;
  readonly #resource: string;
  readonly #clock: Clock;
  readonly #post: (event: Event) => void;
  readonly #connect: ConnectLine;
  #sender: Line | null = null;
  #receiver: Line | null = null;
  #senderState: SenderState | null = null;
  #receiverState: ReceiverState | null = null;
  #histograms: SenderHistograms | null = null;
  readonly #senderWatchers = new Set<Watcher<SenderState>>();
  readonly #receiverWatchers = new Set<Watcher<ReceiverState>>();

  constructor(
    rooms: Rooms,
    resource: string,
    clock: Clock,
    post: (event: Event) => void,
    connect: ConnectLine = (path, its_clock, events) => new DataLink(path, its_clock, events),
  ) {
    this.#rooms = rooms;
    this.#resource = resource;
    this.#clock = clock;
    this.#post = post;
    this.#connect = connect;
  }

  get sender(): SenderState | null {
    return this.#senderState;
  }

  /** Of the sender; null before it has said them. */
  get histograms(): SenderHistograms | null {
    return this.#histograms;
  }

  get receiver(): ReceiverState | null {
    return this.#receiverState;
  }

  watchSender(replica: ReplicaId): void {
    this.closeSender();
    const path = inVmRoom(this.#rooms, this.#resource, 'sender.sock');
    this.#sender = this.#connect(path, this.#clock, {
      onState: (state) => {
        if (state.role !== 'sender') return;
        this.#senderState = state;
        notify(this.#senderWatchers, state);
        this.#post({ type: 'sender', state });
      },
      onHistograms: (histograms) => (this.#histograms = histograms),
      onGone: (reason) => {
        this.closeSender();
        notify(this.#senderWatchers, { gone: reason });
        this.#post({ type: 'sender-gone', session: replica.session, reason });
      },
    });
  }

  watchReceiver(replica: ReplicaId): void {
    this.closeReceiver();
    const path = inVmRoom(this.#rooms, this.#resource, 'receiver.sock');
    this.#receiver = this.#connect(path, this.#clock, {
      onState: (state) => {
        if (state.role !== 'receiver') return;
        this.#receiverState = state;
        notify(this.#receiverWatchers, state);
        this.#post({ type: 'receiver', state });
      },
      onGone: (reason) => {
        this.closeReceiver();
        notify(this.#receiverWatchers, { gone: reason });
        this.#post({ type: 'receiver-gone', session: replica.session, reason });
      },
    });
  }

  /** The lines that should be there and are lost. */
  look(): readonly string[] {
    const lost = (link: Line | null, name: string): string[] =>
      link?.lost === true ? [`the line to the ${name} is lost`] : [];
    return [...lost(this.#sender, 'sender'), ...lost(this.#receiver, 'receiver')];
  }

  closeSender(): void {
    this.#sender?.close();
    this.#sender = null;
    this.#senderState = null;
    this.#histograms = null;
  }

  closeReceiver(): void {
    this.#receiver?.close();
    this.#receiver = null;
    this.#receiverState = null;
  }

  tellSender(command: SenderCommand): boolean {
    return this.#sender?.send(command) ?? false;
  }

  tellReceiver(command: ReceiverCommand): boolean {
    return this.#receiver?.send(command) ?? false;
  }

  /** Wait until the sender says what is wanted. Rejects when it is gone, or after `ms`. */
  untilSender(want: (state: SenderState) => boolean, ms: number): Promise<SenderState> {
    return this.#until(this.#senderWatchers, this.#senderState, want, ms);
  }

  untilReceiver(want: (state: ReceiverState) => boolean, ms: number): Promise<ReceiverState> {
    return this.#until(this.#receiverWatchers, this.#receiverState, want, ms);
  }

  dispose(): void {
    this.closeSender();
    this.closeReceiver();
  }

  #until<S extends object>(
    watchers: Set<Watcher<S>>,
    now: S | null,
    want: (state: S) => boolean,
    ms: number,
  ): Promise<S> {
    if (now !== null && want(now)) return Promise.resolve(now);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(ms, () => {
        watchers.delete(watcher);
        reject(new Error(`no answer from the data process within ${ms} ms`));
      });
      const watcher: Watcher<S> = (state) => {
        const gone = 'gone' in state;
        if (!gone && !want(state)) return false;
        timer.cancel();
        if (gone) reject(new Error(state.gone));
        else resolve(state);
        return true;
      };
      watchers.add(watcher);
    });
  }
}

function notify<S>(watchers: Set<Watcher<S>>, state: S | { readonly gone: string }): void {
  for (const watcher of watchers) if (watcher(state)) watchers.delete(watcher);
}
