/**
 * What Pacemaker's tools print with --output-as=xml, as data. Attribute names as of 2.1 and 3.0; what we do not
 * use is ignored, what we use is validated.
 */
import { parseStringPromise } from 'xml2js';
import { z } from 'zod';
import type { ClusterNode, ClusterStatus, PlannedPromotion } from '../ports.js';
import { oneLine } from './errors.js';

/** The text is not what the tool prints. */
export class PacemakerRubbish extends Error {
  constructor(what: string) {
    super(oneLine(what, 300));
    this.name = 'PacemakerRubbish';
  }
}

/** Parsing is synchronous: about 0.4 ms a KiB. */
export const MAX_XML_BYTES = 2 * 1024 * 1024;

const OPTIONS = { explicitArray: true, explicitRoot: false, strict: true };

/** XML to xml2js's objects; `$` are the attributes, each child is an array, an empty element is ''. */
export async function parseXml(text: string): Promise<unknown> {
  if (text.length > MAX_XML_BYTES) throw new PacemakerRubbish('the XML is larger than 2 MiB');
  let root: unknown;
  try {
    root = await parseStringPromise(text, OPTIONS);
  } catch (error) {
    throw new PacemakerRubbish(`no XML: ${error instanceof Error ? error.message : String(error)}`);
  }
  // Empty input is null and no error.
  if (root === null || root === undefined) throw new PacemakerRubbish('nothing was printed');
  return root;
}

export function validated<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new PacemakerRubbish(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
}

const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
/** An element that may be empty or have nothing but text. */
const element = <S extends z.ZodRawShape>(shape: S) =>
  z.preprocess((value) => (typeof value === 'string' ? {} : value), z.object(shape));
const attributes = <S extends z.ZodRawShape>(shape: S) => z.object({ $: z.object(shape) });

const node = attributes({
  name: z.string().min(1),
  online: flag,
  unclean: flag,
  standby: flag,
  maintenance: flag,
  pending: flag,
  is_dc: flag,
  type: z.string().optional(),
});

const clusterOptions = attributes({
  'stonith-enabled': flag.optional(),
  // The newer name of the same option.
  'fencing-enabled': flag.optional(),
  'maintenance-mode': flag,
});

const crmMon = z.object({
  summary: z.tuple([
    z.object({
      current_dc: z.tuple([
        attributes({
          present: flag,
          name: z.string().optional(),
          version: z.string().optional(),
          with_quorum: flag.optional(),
        }),
      ]),
      cluster_options: z.tuple([clusterOptions]),
    }),
  ]),
  nodes: z.tuple([element({ node: z.array(node).default([]) })]),
});

/** `crm_mon -1 --output-as=xml`. */
export async function parseCrmMon(text: string): Promise<ClusterStatus> {
  const { summary, nodes } = validated(crmMon, await parseXml(text));
  const dc = summary[0].current_dc[0].$;
  const options = summary[0].cluster_options[0].$;
  const fencing = options['stonith-enabled'] ?? options['fencing-enabled'];
  if (fencing === undefined) throw new PacemakerRubbish('no stonith-enabled');
  return {
    // Remote nodes and guest nodes run no remusd.
    nodes: nodes[0].node
      .map(({ $ }) => $)
      .filter(isMember)
      .map(clusterNode),
    dc: dc.present ? (dc.name ?? null) : null,
    dc_version: dc.version ?? null,
    quorum: dc.with_quorum ?? false,
    stonith_enabled: fencing,
    maintenance_mode: options['maintenance-mode'],
  };
}

function isMember($: z.infer<typeof node>['$']): boolean {
  return $.type === undefined || $.type === 'member';
}

function clusterNode($: z.infer<typeof node>['$']): ClusterNode {
  const { name, online, unclean, standby, maintenance, pending, is_dc } = $;
  return { name, online, unclean, standby, maintenance, pending, is_dc };
}

const attrdQuery = z.object({
  attribute: z
    .array(attributes({ name: z.string(), host: z.string().min(1), value: z.string().default('') }))
    .default([]),
});

/** `attrd_updater -Q -A -n NAME --output-as=xml`: node to value. */
export async function parseAttributes(text: string): Promise<ReadonlyMap<string, string>> {
  const { attribute } = validated(attrdQuery, await parseXml(text));
  return new Map(
    attribute.filter(({ $ }) => $.value !== '').map(({ $ }) => [$.host, $.value] as const),
  );
}

const nvpair = attributes({ name: z.string(), value: z.string().default('') });

/** `cibadmin --query --xpath ...nvpair...`: the value of the one nvpair of that name, null without one. */
export async function parseNvpair(text: string, name: string): Promise<string | null> {
  const root = await parseXml(text);
  // One match is printed by itself, several (or a newer cibadmin) inside another element.
  const found = [root, ...elementsNamed(root, 'nvpair')]
    .map((one) => nvpair.safeParse(one).data?.$)
    .filter((one) => one?.name === name);
  if (found.length > 1) throw new PacemakerRubbish(`${name} is there ${found.length} times`);
  return found[0]?.value ?? null;
}

/** Every descendant of a name, in xml2js's objects. */
export function elementsNamed(value: unknown, name: string): unknown[] {
  if (Array.isArray(value)) return value.flatMap((one) => elementsNamed(one, name));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]): unknown[] => {
    if (key === '$') return [];
    const below = elementsNamed(child, name);
    return key === name && Array.isArray(child) ? [...(child as unknown[]), ...below] : below;
  });
}

const resource = z.object({
  $: z.object({ id: z.string(), role: z.string() }),
  node: z.array(attributes({ name: z.string().min(1) })).default([]),
});

/** Null when there is no such resource. */
function promotedIn(root: unknown, id: string): ReadonlySet<string> | null {
  const instances = elementsNamed(root, 'resource')
    .map((one) => validated(resource, one))
    // Instances of a clone may carry their number.
    .filter(
      ({ $ }) =>
        $.id === id || ($.id.startsWith(`${id}:`) && /^\d+$/.test($.id.slice(id.length + 1))),
    );
  if (instances.length === 0) return null;
  const promoted = instances.filter(({ $ }) => $.role === 'Promoted' || $.role === 'Master');
  return new Set(promoted.flatMap((one) => one.node.map(({ $ }) => $.name)));
}

/** `crm_mon -1 --output-as=xml`: the nodes on which the resource is promoted. */
export async function parsePromoted(text: string, id: string): Promise<readonly string[]> {
  if (text.length > MAX_XML_BYTES) throw new PacemakerRubbish('the XML is larger than 2 MiB');
  return [...(promotedIn(await parseXml(text), id) ?? [])];
}

const REVISED = /<revised_cluster_status>.*<\/revised_cluster_status>/s;

/**
 * `crm_simulate --simulate --output-as=xml`: where the resource is promoted once the transition that the scheduler
 * wants now has run. Null when the resource is not in the cluster at all.
 */
export async function parsePlannedPromotion(
  text: string,
  id: string,
): Promise<PlannedPromotion | null> {
  if (text.length > MAX_XML_BYTES) throw new PacemakerRubbish('the XML is larger than 2 MiB');
  if (!/<\/pacemaker-result>\s*$/.test(text)) throw new PacemakerRubbish('the XML is cut off');
  const revised = REVISED.exec(text);
  if (!revised) throw new PacemakerRubbish('no revised_cluster_status');
  const nodes = promotedIn(await parseXml(revised[0]), id);
  if (nodes === null) return null;
  if (nodes.size > 1) throw new PacemakerRubbish(`${id} would be promoted on several nodes`);
  const [name] = nodes;
  return name === undefined ? { kind: 'nowhere' } : { kind: 'node', node: name };
}
