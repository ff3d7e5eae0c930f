import type { Target } from '../target.js';
import { AgentSocketTarget } from './agent-socket.js';
import { DumpTarget } from './dump.js';
import { FramesTarget } from './frames.js';
import { PackedTarget } from './packed.js';
import { ControlTarget, HelloTarget, ReceiverTarget } from './receiver.js';
import { StreamTarget } from './stream.js';
import { TlsAfterTarget, TlsBeforeTarget } from './tls.js';

const MAKE: Readonly<Record<string, () => Target>> = {
  stream: () => new StreamTarget(),
  frames: () => new FramesTarget(),
  packed: () => new PackedTarget(),
  dump: () => new DumpTarget(),
  hello: () => new HelloTarget(),
  receiver: () => new ReceiverTarget(),
  control: () => new ControlTarget(),
  'tls-before': () => new TlsBeforeTarget(),
  'tls-after': () => new TlsAfterTarget(),
  'agent-socket': () => new AgentSocketTarget(),
};

export const TARGETS: readonly string[] = Object.keys(MAKE);

export function makeTarget(name: string): Target {
  const make = MAKE[name];
  if (make === undefined) throw new Error(`there is no target ${name}`);
  return make();
}
