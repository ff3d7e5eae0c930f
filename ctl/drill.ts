/**
 * What remusd answers to action=drill, and what `remusctl drill --json` prints unchanged. Times are milliseconds. null: not known,
 * or nothing to say in this case.
 */

/** works: every step is proven; fails: one of them fails; unknown: none fails, and something could not be proven. */
export type DrillVerdict = 'works' | 'fails' | 'unknown';

export type StepVerdict = 'ok' | 'fails' | 'unknown';

/** One thing that a failover needs, asked to prove itself. */
export interface DrillStep {
  /** Of DRILL_STEPS. A later release may have more of them. */
  readonly id: string;
  readonly verdict: StepVerdict;
  /** What was seen, or why it fails or is not known: a sentence without its full stop. */
  readonly what: string;
  /** How long the answer took that it rests on. null: it rests on those of other steps. */
  readonly took_ms: number | null;
  /** What to type; absent when nothing needs to be done. */
  readonly fix?: string | undefined;
  /** The node to type it on; absent: any. */
  readonly on?: string | undefined;
}

export interface Drill {
  readonly resource: string;
  /** The node that has asked the others. */
  readonly node: string;
  /** Where the VM runs, by its record: what a failover would fence. */
  readonly from: string;
  /** Where it would go on. null: no node holds or awaits a replica. */
  readonly to: string | null;
  readonly verdict: DrillVerdict;
  /** Of the promotion that the VM runs by now. */
  readonly generation: number | null;
  /** The newest that the backup has, and its age by the clock of the node that sent it. */
  readonly checkpoint: number | null;
  readonly checkpoint_age_ms: number | null;
  /** In the order of a failover. */
  readonly steps: readonly DrillStep[];
  /** What only a real failover proves, a sentence each. */
  readonly unproven: readonly string[];
}

/** What a drill has proven, for --help and the manual. */
export const DRILL_STEPS = {
  protection: 'remusd on the node that runs the VM says that it is protected',
  output: 'what the VM sends is held until the backup has the checkpoint behind it: promise P3',
  grant:
    'the record at the DC and the one in the CIB of the backup grant the replica that the backup has',
  remusd: 'remusd on the backup answers',
  receiver: 'the receiver lives, and answers on its socket',
  xl: 'xl migrate-receive lives',
  domain: 'the hypervisor of the backup has the replica, paused',
  checkpoints: 'the replica is fed while one looks',
  rule: 'the rule for promotions would activate the replica',
  quorum: 'the cluster has quorum without the node that runs the VM',
  fencing: 'a fence device for that node answers its monitor',
  scheduler: "Pacemaker's scheduler would promote the replica if that node were lost",
  agent: 'Pacemaker has the VM on the backup, and no failure of it',
  machine: 'the doctor finds nothing on the backup that is in the way',
  network: "the bridges of the VM's interfaces are up there, with a link",
} as const;

export type DrillStepId = keyof typeof DRILL_STEPS;
