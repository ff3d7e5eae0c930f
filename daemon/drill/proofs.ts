/**
 * What a drill is judged by. What a node shows of itself crosses the wire between daemons: the schemas are loose towards later
 * releases, and each part fails by itself.
 */
import { z } from 'zod';
import type { VmRecord } from '../core/record.js';
import { type Facts, type Known, knownSchema } from '../doctor/facts.js';
import type { PlannedPromotion } from '../ports.js';

/** An answer, or why there is none, and after how many milliseconds. */
export interface Asked<T> {
  readonly answer: Known<T>;
  readonly took_ms: number;
}

function asked<T>(schema: z.ZodType<T>): z.ZodType<Asked<T>> {
  return z.object({ answer: knownSchema(schema), took_ms: z.number() });
}

const replica = z.object({ generation: z.number(), session: z.string() });
const phase = z.enum(['listening', 'first-copy', 'ready', 'activating', 'activated', 'ended']);

/** What the receiver says on its own socket, twice. */
const watched = z.object({
  pid: z.number(),
  phase,
  connected: z.boolean(),
  replica,
  /** Nothing has come from the sender for so long. */
  silent_ms: z.number(),
  /** Newest complete checkpoint at the first look, and at the last. */
  complete_first: z.number(),
  complete: z.number(),
  applied: z.number(),
  /** Until its first word. */
  answered_ms: z.number(),
  /** From the first look to the last. */
  watched_ms: z.number(),
});
export type Watched = z.infer<typeof watched>;

const process = z.object({
  pid: z.number(),
  kind: z.enum(['receiver', 'xl migrate-receive']),
  /** The letter of /proc/PID/stat; null: it has ended meanwhile. */
  state: z.string().nullable(),
});
export type ProcessProof = z.infer<typeof process>;

const domain = z.object({ name: z.string(), domid: z.number(), paused: z.boolean() });

/** What a backup shows of the replica. */
const replicaProof = z.object({
  /** The state of the VM's machine there. */
  phase: z.string(),
  /** The replica, as the machine there has it; null: it has none. */
  held: z
    .object({
      replica,
      receiver: z.object({
        phase,
        connected: z.boolean(),
        complete: z.number(),
        applied: z.number(),
        unfed: z.boolean(),
      }),
    })
    .nullable(),
  on_no_replica: z.enum(['start', 'refuse']),
  interval_ms: z.number(),
  /** For so long a sender may stall without being given up. */
  replication_timeout_ms: z.number(),
  /** Xen's name of the VM. */
  domain: z.string(),
  receiver: asked(watched),
  processes: asked(z.array(process)),
  /** Those of the VM and of its replica only. */
  domains: asked(z.array(domain)),
});
export type ReplicaProof = z.infer<typeof replicaProof>;

const bridge = z.object({
  name: z.string(),
  up: z.boolean(),
  /** What is in it and no guest's: network cards, bonds, VLANs; and whether each has a link. */
  uplinks: z.array(z.object({ name: z.string(), link: z.boolean() })),
});
export type Bridge = z.infer<typeof bridge>;

const device = z.object({
  id: z.string(),
  /** Its monitor: `true`, or the sentence why not. */
  monitor: asked(z.literal(true)),
});
export type DeviceProof = z.infer<typeof device>;

const fencing = z.object({
  /** With which the other node could be fenced from there. */
  devices: knownSchema(z.array(device)),
});
export type FencingProof = z.infer<typeof fencing>;

const plan: z.ZodType<PlannedPromotion> = z.union([
  z.object({ kind: z.literal('node'), node: z.string() }),
  z.object({ kind: z.literal('nowhere') }),
]);

/** What a node is asked to show, one request each: each takes its own time. */
export const PARTS = {
  replica: replicaProof,
  network: z.object({ bridges: z.array(bridge) }),
  fencing,
  scheduler: plan,
} as const;

export type Part = keyof typeof PARTS;
export type Proof<P extends Part> = z.infer<(typeof PARTS)[P]>;

/** A VM as its node's remusd has it: of `status`, which every release answers. */
export interface VmWords {
  readonly state: string;
  readonly words: string;
  readonly hint: string | null;
  readonly held: boolean;
  /** Nothing of its output is held: P3 does not hold. */
  readonly netbuf_off: boolean;
  /** `restart`: no replica is kept. */
  readonly mode?: string | undefined;
  readonly acked_age_ms: number | null;
}

/** Everything that the judges look at. */
export interface Evidence {
  readonly resource: string;
  /** The node on which the drill was typed. */
  readonly here: string;
  /** What a failover would fence, and where the VM would go on. */
  readonly from: string;
  readonly to: string;
  /** Of the DC. */
  readonly record: VmRecord;
  /** As it is in the CIB of the DC, and in the backup's own; null: there is none. */
  readonly at_dc: { readonly text: string; readonly took_ms: number };
  readonly at_backup: Asked<string | null>;
  /** null: remusd there does not know the VM. */
  readonly primary: Asked<VmWords | null>;
  readonly backup: Asked<VmWords | null>;
  readonly replica: Asked<ReplicaProof>;
  readonly network: Asked<Proof<'network'>>;
  readonly scheduler: Asked<PlannedPromotion>;
  /** Of every node that would be left. */
  readonly fencing: readonly { readonly node: string; readonly proof: Asked<FencingProof> }[];
  readonly doctor: Asked<Facts>;
}
