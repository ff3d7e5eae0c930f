/**
 * What is going to go wrong and when, as data: rounds of faults that overlap at random. Pure. A schedule names sides
 * ("the primary") and not nodes, so that it means the same in each run; who that is, is seen when a fault strikes.
 */
import { z } from 'zod';

/** A node by what it is to the VM at that moment. `spare` is the third node; on two nodes, the backup. */
export const SIDES = ['primary', 'backup', 'spare'] as const;
const on = z.enum(SIDES);

/** Of a replication; and the daemon. */
export const PRIMARY_PROCESSES = ['sender', 'xl-remus', 'tc'] as const;
export const BACKUP_PROCESSES = ['receiver', 'xl-receive'] as const;
const process = z.enum(['remusd', ...PRIMARY_PROCESSES, ...BACKUP_PROCESSES]);

/** Of the cluster's own stack. */
export const STACK = ['corosync', 'pacemakerd', 'pacemaker-controld', 'pacemaker-attrd'] as const;

/** Long enough for anything here; a schedule by hand should not hang a run. */
const ms = z.number().int().min(0).max(600_000);

const faultSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('kill'), on, process }),
  z.object({ kind: z.literal('stop'), on, process, for_ms: ms }),
  z.object({ kind: z.literal('restart-daemon'), on, for_ms: ms }),
  z.object({ kind: z.literal('power-cut'), on, for_ms: ms }),
  z.object({ kind: z.literal('outage'), for_ms: ms }),
  z.object({ kind: z.literal('freeze'), on, for_ms: ms }),
  z.object({ kind: z.literal('partition'), on, both: z.boolean(), for_ms: ms }),
  z.object({ kind: z.literal('cut-replication'), on, for_ms: ms }),
  z.object({ kind: z.literal('fencing-fails'), for_ms: ms }),
  z.object({
    kind: z.literal('slow-fencing'),
    delay_s: z.number().int().min(1).max(30),
    for_ms: ms,
  }),
  z.object({ kind: z.literal('crash-stack'), on, process: z.enum(STACK) }),
  z.object({ kind: z.literal('leave'), on, for_ms: ms }),
  z.object({ kind: z.literal('standby'), on, for_ms: ms }),
  z.object({ kind: z.literal('stop-resource'), for_ms: ms }),
  z.object({ kind: z.literal('move'), for_ms: ms }),
  z.object({ kind: z.literal('switchover'), on }),
  z.object({ kind: z.literal('failover'), on }),
  z.object({ kind: z.literal('pause'), on, for_ms: ms }),
  z.object({ kind: z.literal('guest'), word: z.enum(['poweroff', 'reboot', 'crash']) }),
  z.object({ kind: z.literal('kill-domain') }),
  // Never in a schedule that was made from a seed: a broken promise, to see that it is found.
  z.object({ kind: z.literal('plant'), what: z.enum(['two-copies']) }),
]);

/** One thing that goes wrong, or that an operator does. */
export type Fault = z.infer<typeof faultSchema>;
export type Kind = Fault['kind'];

/** Something of the product's or of the cluster's own that a fault can wait for. */
export const MOMENTS = [
  ...(['seeding', 'grant', 'withdrawal', 'handover', 'promotion', 'activation'] as const),
  'fencing',
] as const;
export type Moment = (typeof MOMENTS)[number];

const strikeSchema = z.object({
  at_ms: ms,
  /** It lies in ambush from `at_ms` on, and strikes `late_ms` after the next time that this happens. */
  after: z.object({ moment: z.enum(MOMENTS), late_ms: ms }).optional(),
  fault: faultSchema,
});

/** A fault, so long after its round has begun. */
export type Strike = z.infer<typeof strikeSchema>;

const roundSchema = z.object({
  number: z.number().int(),
  strikes: z.array(strikeSchema).min(1).max(50),
});

/** Faults that overlap; it begins with a VM that is protected, and when all is healed it must be so again. */
export type Round = z.infer<typeof roundSchema>;

const scheduleSchema = z.object({
  /** Where it came from; null when by hand. */
  seed: z.number().int().nullable(),
  nodes: z.union([z.literal(2), z.literal(3)]),
  rounds: z.array(roundSchema).min(1),
});

export type Schedule = z.infer<typeof scheduleSchema>;

/** A schedule from a file's text. Throws with what is wrong in it. */
export function parseSchedule(text: string): Schedule {
  return scheduleSchema.parse(JSON.parse(text));
}

/** A file that a person can read and change: a line for each strike. */
export function scheduleText({ seed, nodes, rounds }: Schedule): string {
  const bodies = rounds.map(({ number, strikes }) => {
    const lines = strikes.map((strike) => `      ${JSON.stringify(strike)}`);
    return `    { "number": ${number}, "strikes": [\n${lines.join(',\n')}\n    ] }`;
  });
  return `{\n  "seed": ${seed ?? 'null'},\n  "nodes": ${nodes},\n  "rounds": [\n${bodies.join(',\n')}\n  ]\n}\n`;
}

function seconds(value_ms: number): string {
  return `${(value_ms / 1000).toFixed(1)} s`;
}

/** A strike for people. */
export function strikeWords({ after, fault }: Strike): string {
  if (after === undefined) return faultWords(fault);
  return `${after.late_ms} ms after the next ${after.moment}: ${faultWords(fault)}`;
}

/** A fault for people. */
export function faultWords(fault: Fault): string {
  const lasting = 'for_ms' in fault ? ` for ${seconds(fault.for_ms)}` : '';
  return `${shortWords(fault)}${lasting}`;
}

function shortWords(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
      return `kill -9 of ${fault.process} on the ${fault.on}`;
    case 'stop':
      return `SIGSTOP of ${fault.process} on the ${fault.on}`;
    case 'restart-daemon':
      return `remusd is down on the ${fault.on}`;
    case 'power-cut':
      return `power cut of the ${fault.on}`;
    case 'outage':
      return 'power cut of all nodes';
    case 'freeze':
      return `the ${fault.on} hangs`;
    case 'partition':
      return `${fault.both ? 'both links' : 'the cluster link'} of the ${fault.on} cut`;
    case 'cut-replication':
      return `the replication link of the ${fault.on} cut`;
    case 'fencing-fails':
      return 'fencing fails';
    case 'slow-fencing':
      return `fencing takes ${fault.delay_s} s longer`;
    case 'crash-stack':
      return `kill -9 of ${fault.process} on the ${fault.on}`;
    case 'leave':
      return `the ${fault.on} leaves the cluster in order`;
    case 'standby':
      return `the ${fault.on} in standby`;
    case 'stop-resource':
      return 'the resource is stopped';
    case 'move':
      return 'crm_resource --move';
    case 'switchover':
    case 'failover':
    case 'pause':
      return `remusctl ${fault.kind} on the ${fault.on}`;
    case 'guest':
      return `the guest: ${fault.word}`;
    case 'kill-domain':
      return 'kill -9 of the domain';
    case 'plant':
      return `PLANTED: ${fault.what}`;
  }
}
