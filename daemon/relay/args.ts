import { parseArgs } from 'node:util';
import { z } from 'zod';

/** Command lines of the data processes. Both are started by remusd; nobody types them. */

/** Option names of remusd become keys: `--first-copy` is `first_copy`. */
type Raw = Readonly<Record<string, string | undefined>>;

const resource = z.string().regex(/^[A-Za-z0-9._-]{1,200}$/);
const path = z.string().startsWith('/');
const generation = z.coerce.number().int().min(1);
const session = z.string().regex(/^[A-Za-z0-9]{1,128}$/);
const timeout_ms = z.coerce.number().int().min(100).max(3_600_000);
const vifs = z
  .string()
  .transform((text) => text.split(',').filter((vif) => vif !== ''))
  .pipe(z.array(z.string().regex(/^vif\d{1,6}\.\d{1,3}$/)).max(64));

const endpoint = z
  .string()
  .regex(/^.+:\d{1,5}$/)
  .transform((text) => {
    const colon = text.lastIndexOf(':');
    const host = text.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    return { host, port: Number(text.slice(colon + 1)) };
  });

/** Of each VM and on each node; the smaller of the two sides' counts. */
const page_cache_mib = z.coerce.number().int().min(1).max(65_536).default(64);

const common = { rundir: path, statedir: path, resource, generation, session, page_cache_mib };

const senderSchema = z.object({
  ...common,
  connect: endpoint,
  expect: z.string().min(64),
  vifs: vifs.default([]),
  replication_timeout_ms: timeout_ms,
  netbuf: z.enum(['on', 'off']).default('on'),
  /** Its name, to pause it by. One of a former release was not told. */
  domain: z.string().max(256).default(''),
  compression: z.enum(['auto', 'off', 'lz4', 'delta']).default('auto'),
  /** What may wait in memory for the network, or to be coded; then xl waits. */
  queue_limit_mib: z.coerce.number().int().min(1).max(65_536).default(64),
});

const receiverSchema = z.object({
  ...common,
  name: z.string().min(1).max(256),
  listen: z.string().min(1),
  expect: z.string().min(64),
  replication_timeout_ms: timeout_ms,
  staging_limit_mib: z.coerce.number().int().min(1).max(1_048_576).default(1024),
});

export type SenderArgs = z.infer<typeof senderSchema>;
export type ReceiverArgs = z.infer<typeof receiverSchema>;

export function parseSenderArgs(argv: readonly string[]): SenderArgs {
  return parse(senderSchema, argv);
}

export function parseReceiverArgs(argv: readonly string[]): ReceiverArgs {
  return parse(receiverSchema, argv);
}

/** Throws an Error with one sentence that names the option. */
function parse<T extends z.ZodObject>(schema: T, argv: readonly string[]): z.infer<T> {
  const names = Object.keys(schema.shape).map((key) => key.replaceAll('_', '-'));
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  const { values } = parseArgs({ args: [...argv], options, strict: true });
  const raw: Raw = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name.replaceAll('-', '_'), String(value)]),
  );
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const option = `--${String(issue?.path[0] ?? '').replaceAll('_', '-')}`;
  throw new Error(`option ${option}: ${issue?.message ?? 'not usable'}`);
}
