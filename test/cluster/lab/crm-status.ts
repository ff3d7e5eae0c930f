/**
 * What `crm_mon --output-as=xml` says, as data.
 */
import { parseStringPromise } from 'xml2js';
import { z } from 'zod';

/** A cluster node. */
export interface CrmNode {
  readonly name: string;
  readonly online: boolean;
  readonly unclean: boolean;
  readonly pending: boolean;
  readonly standby: boolean;
  readonly maintenance: boolean;
  readonly is_dc: boolean;
}

/** One instance of a resource; `role` as Pacemaker spells it: Promoted, Unpromoted, Started, Stopped, Starting, ... */
export interface CrmResource {
  readonly id: string;
  readonly clone: string | null;
  readonly role: string;
  readonly nodes: readonly string[];
  readonly failed: boolean;
  readonly managed: boolean;
  /** The operation that is under way, e.g. Promoting or Monitoring; null when none is. */
  readonly pending: string | null;
}

/** A line of "Failed Resource Actions". Degraded monitors (190, 191) are here as well. */
export interface CrmFailure {
  readonly resource: string;
  readonly node: string;
  readonly task: string;
  readonly exit_code: number;
  readonly exit_status: string;
  readonly reason: string;
}

/** A finished or running fencing. */
export interface CrmFencing {
  readonly target: string;
  readonly action: string;
  readonly status: string;
}

/** The whole status, as seen by one node. */
export interface CrmStatus {
  readonly dc: string | null;
  readonly quorum: boolean;
  readonly maintenance_mode: boolean;
  readonly nodes: readonly CrmNode[];
  readonly resources: readonly CrmResource[];
  /** attributes[node][name]; those whose name begins with # are hidden by crm_mon. */
  readonly attributes: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly failures: readonly CrmFailure[];
  readonly fencing: readonly CrmFencing[];
}

const attrs = z.record(z.string(), z.string()).default({});

interface Element {
  readonly tag: string;
  readonly $: Readonly<Record<string, string>>;
  readonly children: readonly Element[];
}

const rawElement: z.ZodType<Element> = z.lazy(() =>
  z
    .object({
      '#name': z.string(),
      $: attrs,
      $$: z.array(rawElement).default([]),
    })
    .transform((raw) => ({ tag: raw['#name'], $: raw.$, children: raw.$$ })),
);

function child(element: Element | undefined, tag: string): Element | undefined {
  return element?.children.find((each) => each.tag === tag);
}

function below(element: Element | undefined, tag: string): readonly Element[] {
  return element?.children.filter((each) => each.tag === tag) ?? [];
}

function isTrue(element: Element | undefined, name: string): boolean {
  return element?.$[name] === 'true';
}

function toNode(element: Element): CrmNode {
  return {
    name: element.$.name ?? '',
    online: isTrue(element, 'online'),
    unclean: isTrue(element, 'unclean'),
    pending: isTrue(element, 'pending'),
    standby: isTrue(element, 'standby'),
    maintenance: isTrue(element, 'maintenance'),
    is_dc: isTrue(element, 'is_dc'),
  };
}

function toResource(element: Element, clone: string | null): CrmResource {
  return {
    id: (element.$.id ?? '').replace(/:\d+$/, ''),
    clone,
    role: element.$.role ?? '',
    nodes: below(element, 'node').map((node) => node.$.name ?? ''),
    failed: isTrue(element, 'failed'),
    managed: isTrue(element, 'managed'),
    pending: element.$.pending ?? null,
  };
}

function allResources(element: Element | undefined, clone: string | null): CrmResource[] {
  return (element?.children ?? []).flatMap((each) => {
    if (each.tag === 'resource') return [toResource(each, clone)];
    return allResources(each, each.tag === 'clone' ? (each.$.id ?? null) : clone);
  });
}

function toAttributes(element: Element | undefined): CrmStatus['attributes'] {
  const pairs = below(element, 'node').map((node) => {
    const values = below(node, 'attribute').map((each) => [each.$.name, each.$.value] as const);
    return [node.$.name ?? '', Object.fromEntries(values) as Record<string, string>] as const;
  });
  return Object.fromEntries(pairs);
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&quot;': '"',
  '&apos;': "'",
  '&lt;': '<',
  '&gt;': '>',
  '&amp;': '&',
};

/** Pacemaker 2.1 escapes exit reasons twice. */
function unescaped(text: string): string {
  return text.replace(/&(?:quot|apos|lt|gt|amp);/g, (entity) => ENTITIES[entity] ?? entity);
}

function toFailure(element: Element): CrmFailure {
  const key = /^(.*)_([a-z-]+)_(\d+)$/.exec(element.$.op_key ?? '');
  return {
    resource: key?.[1] ?? '',
    node: element.$.node ?? '',
    task: element.$.task ?? key?.[2] ?? '',
    exit_code: Number(element.$.exitcode),
    exit_status: element.$.exitstatus ?? '',
    reason: unescaped(element.$.exitreason ?? ''),
  };
}

/** The XML of `crm_mon -1 --output-as=xml` as data. Rejects what is not a whole answer. */
export async function parseCrmMon(xml: string): Promise<CrmStatus> {
  const parsed: unknown = await parseStringPromise(xml, {
    explicitRoot: false,
    explicitChildren: true,
    preserveChildrenOrder: true,
    strict: true,
  });
  const root = rawElement.parse(parsed);
  const summary = child(root, 'summary');
  const dc = child(summary, 'current_dc');
  return {
    dc: isTrue(dc, 'present') ? (dc?.$.name ?? null) : null,
    quorum: isTrue(dc, 'with_quorum'),
    maintenance_mode: isTrue(child(summary, 'cluster_options'), 'maintenance-mode'),
    nodes: below(child(root, 'nodes'), 'node').map(toNode),
    resources: allResources(child(root, 'resources'), null),
    attributes: toAttributes(child(root, 'node_attributes')),
    failures: below(child(root, 'failures'), 'failure').map(toFailure),
    fencing: below(child(root, 'fence_history'), 'fence_event').map((each) => ({
      target: each.$.target ?? '',
      action: each.$.action ?? '',
      status: each.$.status ?? '',
    })),
  };
}

/** The nodes on which a resource has a role, e.g. nodesInRole(status, 'vm1', 'Promoted'). */
export function nodesInRole(status: CrmStatus, resource: string, role: string): string[] {
  return status.resources
    .filter((each) => each.id === resource && each.role === role)
    .flatMap((each) => each.nodes);
}
