/**
 * What Pacemaker's scheduler would do if something were otherwise: crm_simulate on a copy of the CIB, in which that is so. It
 * changes nothing in the cluster.
 */
import { promotionScore } from '../core/policy.js';
import type { Exec, PlannedPromotion } from '../ports.js';
import { output, understood } from './cluster-facts.js';
import { ClusterError } from './pacemaker.js';
import { parsePlannedPromotion } from './pacemaker-xml.js';

export type Supposition =
  /** The resource had this promotion score on the node. */
  | { readonly kind: 'score'; readonly node: string; readonly score: number }
  /** The node were lost; Pacemaker fences it then. */
  | { readonly kind: 'lost'; readonly node: string };

const SIMULATE = ['crm_simulate', '--xml-pipe', '--simulate', '--output-as=xml'];

/** Where the resource would be promoted. @throws ClusterError */
export async function promotionIf(
  exec: Exec,
  resource: string,
  supposed: Supposition,
): Promise<PlannedPromotion> {
  const cib = await output(exec, ['cibadmin', '--query']);
  const stdin = supposed.kind === 'score' ? withScore(cib, resource, supposed) : cib;
  const argv = supposed.kind === 'lost' ? [...SIMULATE, '--node-fail', supposed.node] : SIMULATE;
  const text = await output(exec, argv, { stdin });
  const planned = await understood(argv, parsePlannedPromotion(text, resource));
  if (planned !== null) return planned;
  const sentence = `the cluster has no resource ${resource}; look at "crm_resource --list"`;
  throw new ClusterError('refused', 'no such resource', sentence, { resource });
}

/** As libxml writes a CIB: in a tag, `>` stands at its end only. */
const NODE_STATE = /<node_state\b[^>]*[^/]>.*?<\/node_state>/gs;
const NVPAIR = /<nvpair\b[^>]*>/g;

/** The text of a CIB with another promotion score. Exported for tests. @throws ClusterError when it has none to change */
export function withScore(
  cib: string,
  resource: string,
  { node, score }: Extract<Supposition, { kind: 'score' }>,
): string {
  const name = promotionScore(resource);
  let changes = 0;
  const changed = cib.replace(NODE_STATE, (state) => {
    if (attributeOf(state, 'uname') !== node) return state;
    return state.replace(NVPAIR, (pair) => {
      if (attributeOf(pair, 'name') !== name) return pair;
      changes += 1;
      return pair.replace(/\svalue="[^"]*"/, ` value="${score}"`);
    });
  });
  if (changes === 1) return changed;
  const sentence = `${resource} has ${changes === 0 ? 'no promotion score' : `${changes} promotion scores`} on ${node}; look at "crm_mon -1A"`;
  throw new ClusterError('rubbish', 'no promotion score', sentence, { resource, node });
}

/** Of the first tag in a text. */
function attributeOf(text: string, name: string): string | undefined {
  const end = text.indexOf('>');
  return new RegExp(`\\s${name}="([^"]*)"`).exec(text.slice(0, end))?.[1];
}
