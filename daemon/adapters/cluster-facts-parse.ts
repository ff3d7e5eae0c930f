/** What the cluster's tools print, as facts for the checks. Seen with Pacemaker 2.1.5 and corosync 3.1.7. */
import { z } from 'zod';
import type {
  AlertFacts,
  ConfigurationFacts,
  CorosyncFacts,
  FenceDevice,
  LiveFacts,
  VmFacts,
} from '../doctor/facts.js';
import type { FenceEvent } from '../fencing.js';
import {
  elementsNamed,
  PacemakerRubbish,
  parseCrmMon,
  parseXml,
  validated,
} from './pacemaker-xml.js';

const attributes = z.object({ $: z.record(z.string(), z.string()).default({}) });

/** An element's XML attributes. */
function of(element: unknown): Readonly<Record<string, string>> {
  return attributes.safeParse(element).data?.$ ?? {};
}

/** The direct children of that name. */
function children(element: unknown, name: string): readonly unknown[] {
  if (typeof element !== 'object' || element === null) return [];
  const found: unknown = (element as Record<string, unknown>)[name];
  return Array.isArray(found) ? (found as unknown[]) : [];
}

/** `crm_mon -1 --output-as=xml` with nodes and resources. */
export async function parseLive(text: string): Promise<LiveFacts> {
  const [status, root] = await Promise.all([parseCrmMon(text), parseXml(text)]);
  const ids = new Map(
    children(children(root, 'nodes')[0], 'node').map((node) => [of(node)['name'], of(node)['id']]),
  );
  return {
    members: status.nodes.map(({ name, online, unclean, standby, maintenance, pending }) => {
      return { name, id: ids.get(name) ?? '', online, unclean, standby, maintenance, pending };
    }),
    quorum: status.quorum,
    stonith_enabled: status.stonith_enabled,
    maintenance_mode: status.maintenance_mode,
    resources: elementsNamed(children(root, 'resources')[0], 'resource').map((resource) => {
      const { id = '', resource_agent = '', role = '', failed, managed } = of(resource);
      const nodes = children(resource, 'node').map((node) => of(node)['name'] ?? '');
      const flags = { failed: failed === 'true', managed: managed !== 'false' };
      return { id, agent: resource_agent, role, ...flags, nodes };
    }),
  };
}

function nvpairs(element: unknown, set: string): Record<string, string> {
  const pairs = children(element, set).flatMap((one) => children(one, 'nvpair').map(of));
  return Object.fromEntries(pairs.map(({ name = '', value = '' }) => [name, value]));
}

/** `cibadmin --query --scope configuration`. */
export async function parseConfiguration(text: string): Promise<ConfigurationFacts> {
  const root = await parseXml(text);
  const resources = children(root, 'resources')[0];
  if (resources === undefined) throw new PacemakerRubbish('no resources in the configuration');
  const properties = elementsNamed(children(root, 'crm_config')[0], 'nvpair')
    .map(of)
    // Ours are records, no options.
    .filter(({ name = '' }) => !name.startsWith('remus-record-'))
    .map(({ name = '', value = '' }): [string, string] => [name, value]);
  const primitives = primitivesOf(resources);
  return {
    properties: Object.fromEntries(properties),
    nodes: children(children(root, 'nodes')[0], 'node')
      .map(of)
      .filter(({ type = 'member' }) => type === 'member')
      .map(({ uname = '' }) => uname),
    devices: primitives.filter(({ agent }) => agent.startsWith('stonith:')).map(device),
    vms: primitives.filter(({ agent }) => agent === 'ocf:xen:remus').map(vm),
    constraints: elementsNamed(children(root, 'constraints')[0], 'rsc_location')
      .map(of)
      .filter(({ id = '' }) => /^cli-(?:ban|prefer|standby)-/.test(id))
      .map(({ id = '', rsc = '' }) => ({ id, resource: rsc })),
    alerts: children(children(root, 'alerts')[0], 'alert').map(alert),
  };
}

/** Without a selection it is called for everything but attributes. */
function alert(element: unknown): AlertFacts {
  const { id = '', path = '' } = of(element);
  const select = children(element, 'select')[0];
  const kinds = ['nodes', 'fencing', 'resources', 'attributes'];
  const selected = kinds.filter((kind) =>
    select === undefined ? kind !== 'attributes' : has(select, `select_${kind}`),
  );
  return { id, path, selected };
}

function has(element: unknown, name: string): boolean {
  return children(element, name).length > 0;
}

interface Primitive {
  readonly id: string;
  /** As Pacemaker prints it: class:provider:type */
  readonly agent: string;
  readonly params: Readonly<Record<string, string>>;
  readonly operations: readonly Readonly<Record<string, string>>[];
  readonly clone: VmFacts['clone'];
}

function primitivesOf(resources: unknown): readonly Primitive[] {
  const templates = new Map(
    elementsNamed(resources, 'template').map((one) => [of(one)['id'], one]),
  );
  const clones = new Map<string, VmFacts['clone']>();
  for (const [name, more] of [
    ['clone', {}],
    // The older spelling.
    ['master', { promotable: 'true' }],
  ] as const) {
    for (const clone of elementsNamed(resources, name)) {
      const meta = { ...more, ...nvpairs(clone, 'meta_attributes') };
      for (const one of elementsNamed(clone, 'primitive'))
        clones.set(of(one)['id'] ?? '', { id: of(clone)['id'] ?? '', meta });
    }
  }
  return elementsNamed(resources, 'primitive').map((one) => {
    const { id = '', template } = of(one);
    const base = template === undefined ? undefined : templates.get(template);
    const { class: kind = '', provider, type = '' } = { ...of(base), ...of(one) };
    const operations = [one, base].flatMap((from) =>
      children(from, 'operations').flatMap((list) => children(list, 'op').map(of)),
    );
    return {
      id,
      agent: [kind, ...(provider === undefined ? [] : [provider]), type].join(':'),
      params: { ...nvpairs(base, 'instance_attributes'), ...nvpairs(one, 'instance_attributes') },
      operations,
      clone: clones.get(id) ?? null,
    };
  });
}

function device({ id, params }: Primitive): FenceDevice {
  const hosts = (params['pcmk_host_list'] ?? '').split(/[\s,;]+/);
  const mapped = (params['pcmk_host_map'] ?? '')
    .split(/[\s;]+/)
    .map((one) => one.split(/[:=]/)[0] ?? '');
  const targets = [...hosts, ...mapped].filter((host) => host !== '');
  const delays = [params['pcmk_delay_base'], params['pcmk_delay_max'], params['delay']];
  const delayed = delays.some((delay) => delay !== undefined && !/^0[a-z]*$/.test(delay));
  return { id, targets: targets.length === 0 ? null : targets, delayed };
}

function vm({ id, params, operations, clone }: Primitive): VmFacts {
  const monitors = operations.filter(
    ({ name, interval = '0', enabled = 'true' }) =>
      name === 'monitor' && !/^0[a-z]*$/.test(interval) && enabled !== 'false',
  );
  const roles = monitors.map(({ role = 'Started' }) =>
    role === 'Promoted' || role === 'Master' ? 'Promoted' : 'Unpromoted',
  );
  return {
    resource: id,
    config_path: params['config'] ?? '',
    name: params['name'] ?? null,
    allow_unfenced: isTrue(params['allow_unfenced']),
    unsafe_disks: isTrue(params['unsafe_disks']),
    netbuf_off: params['netbuf'] === 'off',
    restarts: params['mode'] === 'restart',
    clone,
    monitored: [...new Set(roles)],
  };
}

/** As agent/parameters.ts has it. */
function isTrue(text = 'false'): boolean {
  return /^(?:true|yes|on|1)$/i.test(text);
}

/** `stonith_admin --history '*' --output-as=xml`. */
export async function parseFenceHistory(text: string): Promise<readonly FenceEvent[]> {
  return elementsNamed(await parseXml(text), 'fence_event').map((event) => {
    const { target = '', action = '', status = '', completed = '' } = of(event);
    return { target, action, status, completed };
  });
}

/** `stonith_admin --list NODE --output-as=xml`: devices. */
export async function parseFenceList(text: string): Promise<string[]> {
  const root = validated(z.looseObject({}), await parseXml(text));
  return elementsNamed(root, 'item')
    .map((item) =>
      typeof item === 'string' ? item : (z.object({ _: z.string() }).safeParse(item).data?._ ?? ''),
    )
    .filter((name) => name !== '');
}

/** `corosync-quorumtool -s`. */
export function parseQuorumtool(text: string): CorosyncFacts {
  const number = (label: string): number =>
    Number(new RegExp(`^${label}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? '0');
  // Nodeid, votes, the votes of a quorum device when there is one, name. The device itself has the id 0.
  const members = [...text.matchAll(/^\s+(\d+)\s+(\d+)\s+\S/gm)];
  return {
    flags: (/^Flags:\s*(.*)$/m.exec(text)?.[1] ?? '').split(/\s+/).filter((flag) => flag !== ''),
    expected_votes: number('Expected votes'),
    total_votes: number('Total votes'),
    quorum: number('Quorum'),
    votes: Object.fromEntries(members.map(([, id = '', votes]) => [id, Number(votes)])),
    links: [],
  };
}

/** `corosync-cfgtool -s`. */
export function parseCfgtool(text: string): CorosyncFacts['links'] {
  let link = '';
  return text.split('\n').flatMap((line) => {
    link = /^LINK ID (\d+)/.exec(line)?.[1] ?? link;
    const [, nodeid = '', state = ''] = /^\s*nodeid:\s*(\d+):\s*(.+?)\s*$/.exec(line) ?? [];
    return nodeid === '' || state === 'localhost' ? [] : [{ link, nodeid, state }];
  });
}
