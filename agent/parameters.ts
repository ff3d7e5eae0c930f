/**
 * The one table of the agent's parameters. Everything that speaks of them is made from it: validation here,
 * defaults and checks in the shell script, the metadata XML, the manual.
 */
import { z } from 'zod';

/** What a value may be. */
export type ParameterKind =
  | { readonly kind: 'path' }
  | { readonly kind: 'name' }
  | {
      readonly kind: 'integer';
      readonly min: number;
      readonly max: number;
      /** Spoken: `a whole number of UNIT from MIN to MAX`. */
      readonly unit: 'milliseconds' | 'seconds';
    }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  | { readonly kind: 'boolean' };

export type Parameter = ParameterKind & {
  readonly name: string;
  /** Absent: no default; the value is then required or null. */
  readonly default?: string;
  readonly required: boolean;
  /** Two resources may not have the same value. */
  readonly unique: boolean;
  /** A change takes effect by reload-agent, without stopping the VM. */
  readonly reloadable: boolean;
  readonly shortdesc: string;
  readonly longdesc: string;
};

export const PARAMETERS = [
  {
    name: 'config',
    kind: 'path',
    required: true,
    unique: true,
    reloadable: false,
    shortdesc: "Absolute path of the domain's configuration file",
    longdesc:
      'The configuration file of the VM, as given to "xl create" (see xl.cfg(5)), with its absolute path, e.g. ' +
      '/etc/xen/vm1.cfg. It must be there, and be the same, on every node that may run the VM.',
  },
  {
    name: 'name',
    kind: 'name',
    required: false,
    unique: true,
    reloadable: false,
    shortdesc: "Name of the domain, when it shall be checked against the configuration file's",
    longdesc:
      'The name of the domain. It is read from the line name = "..." of the configuration file, so this may be left ' +
      'out. When it is given it must be the same name: a guard against a file that was changed or mixed up. While the ' +
      'VM is replicated, its replica on the other node is called NAME--incoming.',
  },
  {
    name: 'mode',
    kind: 'choice',
    values: ['remus', 'restart'],
    default: 'remus',
    required: false,
    unique: false,
    reloadable: true,
    shortdesc:
      'What a failover goes on from: the memory (remus), or the configuration file (restart)',
    longdesc:
      'With "remus" the memory of the VM is replicated all the time, and a failover goes on from its last checkpoint. ' +
      'With "restart" it is not: when its node dies the VM is booted anew on the other one, as after a power cut. It is ' +
      'for VMs whose disks are written to, shared or mirrored (DRBD), which "remus" does not take: they have to be there, ' +
      'under the same names, on both nodes. A planned move ("remusctl switchover", standby, "pcs resource move") takes the ' +
      'memory along all the same, if there is time: it is copied while the VM runs, and half of the timeout of the ' +
      'demote operation is there for it; else the guest is shut down, and boots on the other node. A change takes ' +
      'effect at once, while the VM runs.',
  },
  {
    name: 'interval',
    kind: 'integer',
    min: 20,
    max: 60_000,
    unit: 'milliseconds',
    default: '200',
    required: false,
    unique: false,
    reloadable: true,
    shortdesc: 'Milliseconds between two checkpoints',
    longdesc:
      'How long the VM runs between two checkpoints, in milliseconds. What the VM sends waits until the checkpoint ' +
      'that follows it has reached the other node, so a shorter interval means quicker answers for the clients of the ' +
      'VM, and more work for both nodes and the link between them. A change takes effect with the next replica: at the ' +
      'next switchover, or when replication starts anew.',
  },
  {
    name: 'shutdown_timeout',
    kind: 'integer',
    min: 0,
    max: 3_600,
    unit: 'seconds',
    default: '60',
    required: false,
    unique: false,
    reloadable: true,
    shortdesc: 'Seconds that the guest may take to shut down before it is destroyed',
    longdesc:
      'How long a guest that is asked to shut down may take, in seconds. After that the domain is destroyed. Keep it ' +
      'well below the timeouts of the stop and demote operations; 0 destroys the domain without asking the guest.',
  },
  {
    name: 'replication_timeout',
    kind: 'integer',
    min: 1,
    max: 600,
    unit: 'seconds',
    default: '5',
    required: false,
    unique: false,
    reloadable: true,
    shortdesc: 'Seconds without progress after which the replica is given up, never the VM',
    longdesc:
      'How long replication may make no progress, in seconds: no acknowledgement, no connection. After that the replica ' +
      'is given up and the VM runs on unprotected, visible in crm_mon and remusctl, until a new replica is ready. The ' +
      'VM may be suspended, and what it sends is held, for as long as this. A change takes effect with the next replica.',
  },
  {
    name: 'compression',
    kind: 'choice',
    values: ['auto', 'off', 'lz4', 'delta'],
    default: 'auto',
    required: false,
    unique: false,
    reloadable: true,
    shortdesc: 'How replication saves bytes on the link: auto, off, lz4 or delta',
    longdesc:
      'How checkpoints are made smaller on their way to the other node. "delta" leaves out what that node has already: ' +
      'pages of zeros, and the parts of a page that have not changed. "lz4" also compresses what is left. "off" sends ' +
      'everything as it is. "auto" measures, and uses for each VM what is acknowledged soonest: on a fast link that is ' +
      '"off". The VM never stands still for it: nothing is coded while a checkpoint is being taken. Both nodes keep a ' +
      'copy of the pages that were sent last, at most 64 MiB a VM. A change takes effect with the next replica.',
  },
  {
    name: 'netbuf',
    kind: 'choice',
    values: ['on', 'off'],
    default: 'on',
    required: false,
    unique: false,
    reloadable: true,
    shortdesc:
      'Whether what the VM sends is held until the other node has the checkpoint behind it: on or off',
    longdesc:
      'With "on", what the VM sends leaves the host only when the other node has acknowledged the checkpoint behind it. ' +
      'With "off" it leaves at once, and nothing is set up to hold it: a failover may then lose what clients have already ' +
      'seen (promise P3 does not hold), and so may a switchover. It is for measuring, for VMs without a network that ' +
      'matters, and for hosts whose dom0 lacks sch_plug, ifb or act_mirred. crm_mon, "remusctl status", "remusctl doctor" ' +
      'and the metrics say so all the while. A change takes effect with the next replica: at the next switchover, or when ' +
      'replication starts anew ("remusctl pause", then "remusctl resume").',
  },
  {
    name: 'on_no_replica',
    kind: 'choice',
    values: ['start', 'refuse'],
    default: 'start',
    required: false,
    unique: false,
    reloadable: true,
    shortdesc: 'What a promotion does without a usable replica: start or refuse',
    longdesc:
      'What to do when the VM shall run on a node that has no usable replica of it. "start" boots the VM from its ' +
      'configuration file: it loses its memory, as after a power cut. "refuse" fails the promotion, and leaves it to ' +
      'you to decide. The very first start of a VM always boots it.',
  },
  {
    name: 'allow_unfenced',
    kind: 'boolean',
    default: 'false',
    required: false,
    unique: false,
    reloadable: true,
    shortdesc: 'Work in a cluster without fencing (for experiments only)',
    longdesc:
      'Without fencing nothing can prove that a node that does not answer no longer runs the VM, so two copies of it ' +
      'could run, and write to the same disk. The agent refuses to work in such a cluster unless this is true.',
  },
  {
    name: 'unsafe_disks',
    kind: 'boolean',
    default: 'false',
    required: false,
    unique: false,
    reloadable: true,
    shortdesc: 'Start the VM although a failover may break what is on its disks',
    longdesc:
      'Disks are not replicated with the memory. A failover goes on from the last checkpoint of the memory, and a disk ' +
      'that both nodes have, shared or mirrored by DRBD, has what the VM wrote after that checkpoint, too: it is ahead ' +
      'of the memory, and the file system of the guest may break. A VM whose configuration file has a disk that is not ' +
      'read only is therefore not started unless this is true. What runs already is left alone: monitor, promote, ' +
      'demote, stop and reload never refuse it, nor does a start on the node of its replica. "remusctl doctor" finds ' +
      'such VMs beforehand, also in a file that is still to be added (--config). Set this only when all such disks hold ' +
      'what the guest can lose while it runs, such as scratch space; swap is not among that.',
  },
] as const satisfies readonly Parameter[];

/** The parameters, valid and complete. */
export interface Params {
  /** Absolute path of the domain's configuration file. */
  readonly config: string;
  /** The domain's name to check the configuration file's against; null when it was not given. */
  readonly name: string | null;
  readonly mode: 'remus' | 'restart';
  readonly interval_ms: number;
  readonly shutdown_timeout_ms: number;
  readonly replication_timeout_ms: number;
  readonly compression: 'auto' | 'off' | 'lz4' | 'delta';
  readonly netbuf: 'on' | 'off';
  readonly on_no_replica: 'start' | 'refuse';
  readonly allow_unfenced: boolean;
  readonly unsafe_disks: boolean;
}

export type Validated =
  | { readonly ok: true; readonly params: Params }
  /** Sentences, each naming the parameter, its value and what is allowed. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** Longest value that the control socket takes, in bytes of UTF-8. */
export const VALUE_BYTES_MAX = 4_096;
const DOMAIN_NAME = /^[A-Za-z0-9_.+:-]{1,200}$/;

/** What is allowed, in words that fit after "must be". */
export function allowed(parameter: ParameterKind): string {
  switch (parameter.kind) {
    case 'path':
      return 'an absolute path';
    case 'name':
      return 'a domain name (letters, digits, and any of _.+:-; not digits alone)';
    case 'integer':
      return `a whole number of ${parameter.unit} from ${parameter.min} to ${parameter.max}`;
    case 'choice':
      return parameter.values.join(' or ');
    case 'boolean':
      return 'true or false';
  }
}

/** The zod schema of one parameter's text. */
function textSchema(parameter: ParameterKind): z.ZodType<unknown, string> {
  switch (parameter.kind) {
    case 'path':
      return z.string().regex(/^\/./);
    case 'name':
      // xl takes a name of digits alone for a domain id.
      return z
        .string()
        .regex(DOMAIN_NAME)
        .regex(/[^0-9]/);
    case 'integer':
      // A leading zero would be octal to the shell.
      return z
        .string()
        .regex(/^(?:0|[1-9][0-9]{0,8})$/)
        .transform(Number)
        .pipe(z.number().min(parameter.min).max(parameter.max));
    case 'choice':
      return z.enum(parameter.values);
    case 'boolean':
      return z
        .string()
        .regex(/^(?:true|false|yes|no|on|off|1|0)$/i)
        .transform((text) => /^(?:true|yes|on|1)$/i.test(text));
  }
}

const lineSchema = z
  .string()
  // eslint-disable-next-line no-control-regex
  .regex(/^[^\u0000-\u001f\u007f]*$/)
  .refine((text) => Buffer.byteLength(text) <= VALUE_BYTES_MAX);

/** Pacemaker's and resource-agents' own, which reach every agent. */
const FOREIGN = /^(?:CRM_meta_|crm_feature_set$|trace_(?:ra|dir|file)$)/;

function checkOne(
  parameter: Parameter,
  text: string | undefined,
): { value: unknown } | { problem: string } {
  const given = text === undefined || text === '' ? parameter.default : text;
  if (given === undefined) {
    if (!parameter.required) return { value: null };
    return { problem: `parameter ${parameter.name} is missing: it must be ${allowed(parameter)}` };
  }
  const parsed = lineSchema.pipe(textSchema(parameter)).safeParse(given);
  if (parsed.success) return { value: parsed.data };
  return { problem: `parameter ${parameter.name}=${quoted(given)} must be ${allowed(parameter)}` };
}

/** A value as part of a sentence: one line, not too long. */
function quoted(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  return JSON.stringify(shown);
}

const completeSchema = z
  .object({
    config: z.string(),
    name: z.string().nullable(),
    mode: z.enum(['remus', 'restart']),
    interval: z.number(),
    shutdown_timeout: z.number(),
    replication_timeout: z.number(),
    compression: z.enum(['auto', 'off', 'lz4', 'delta']),
    netbuf: z.enum(['on', 'off']),
    on_no_replica: z.enum(['start', 'refuse']),
    allow_unfenced: z.boolean(),
    unsafe_disks: z.boolean(),
  })
  .transform((checked): Params => ({
    config: checked.config,
    name: checked.name,
    mode: checked.mode,
    interval_ms: checked.interval,
    shutdown_timeout_ms: checked.shutdown_timeout * 1_000,
    replication_timeout_ms: checked.replication_timeout * 1_000,
    compression: checked.compression,
    netbuf: checked.netbuf,
    on_no_replica: checked.on_no_replica,
    allow_unfenced: checked.allow_unfenced,
    unsafe_disks: checked.unsafe_disks,
  }));

/**
 * @param raw the resource's parameters as Pacemaker has them, by name, without OCF_RESKEY_. An empty value
 * counts as not given.
 */
export function validateParameters(raw: Readonly<Record<string, string>>): Validated {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const parameter of PARAMETERS) {
    const checked = checkOne(
      parameter,
      Object.hasOwn(raw, parameter.name) ? raw[parameter.name] : undefined,
    );
    if ('problem' in checked) problems.push(checked.problem);
    else values[parameter.name] = checked.value;
  }
  problems.push(...unknownParameters(raw));
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, params: completeSchema.parse(values) };
}

function unknownParameters(raw: Readonly<Record<string, string>>): string[] {
  const known: readonly string[] = PARAMETERS.map(({ name }) => name);
  return Object.keys(raw)
    .filter((name) => !known.includes(name) && !FOREIGN.test(name))
    .map((name) => `parameter ${quoted(name)} is unknown: there are ${known.join(', ')}`);
}
