/** What in Pacemaker may keep a VM from moving. Whether it does is for the scheduler to say. Pure. */
import type { Obstacle } from '../ctl/foresight.js';
import type { ConfigurationFacts, LiveFacts, MemberFacts } from './doctor/facts.js';

export interface Move {
  readonly resource: string;
  readonly from: string;
  readonly to: string;
}

/** null: not known. */
export interface Seen {
  readonly live: LiveFacts | null;
  readonly configuration: ConfigurationFacts | null;
}

export function obstaclesOf({ live, configuration }: Seen, move: Move): readonly Obstacle[] {
  return [
    ...(live === null ? [] : clusterWide(live)),
    ...(live === null ? [] : live.members.flatMap((member) => ofNode(member, move))),
    ...(live === null ? [] : ofResource(live, move)),
    ...(configuration === null ? [] : leftOver(configuration, move)),
  ];
}

function clusterWide({ maintenance_mode, quorum }: LiveFacts): Obstacle[] {
  const maintenance = {
    what: 'the cluster is in maintenance mode',
    fix: 'crm_attribute --name maintenance-mode --update false',
  };
  const lone = { what: 'this part of the cluster has no quorum', fix: 'corosync-quorumtool -s' };
  return [...(maintenance_mode ? [maintenance] : []), ...(quorum ? [] : [lone])];
}

function ofNode(member: MemberFacts, { from, to }: Move): Obstacle[] {
  const { name, online, standby, pending, maintenance } = member;
  const found: Obstacle[] = [];
  const lift = (attribute: string) => `crm_attribute --node ${name} --name ${attribute} --delete`;
  if (maintenance && (name === from || name === to))
    found.push({ what: `${name} is in maintenance`, fix: lift('maintenance') });
  if (name !== to) return found;
  if (!online) found.push({ what: `${to} is offline`, fix: 'crm_mon -1' });
  else if (pending) found.push({ what: `${to} is joining the cluster`, fix: 'crm_mon -1' });
  else if (standby) found.push({ what: `${to} is in standby`, fix: lift('standby') });
  return found;
}

function ofResource(live: LiveFacts, { resource, to }: Move): Obstacle[] {
  const instances = live.resources.filter(({ id }) => id === resource);
  const maintained = live.maintenance_mode || live.members.some((one) => one.maintenance);
  const unmanaged = {
    what: `${resource} is not managed by Pacemaker`,
    fix: `pcs resource manage ${resource}   (or: crm resource manage ${resource})`,
  };
  const failed = {
    what: `${resource} has failed on ${to}`,
    fix: `crm_resource --cleanup --resource ${resource} --node ${to}`,
  };
  return [
    ...(!maintained && instances.some(({ managed }) => !managed) ? [unmanaged] : []),
    ...(instances.some((one) => one.failed && one.nodes.includes(to)) ? [failed] : []),
  ];
}

/** Of crm_resource --move, --ban and their like. */
function leftOver({ constraints, vms }: ConfigurationFacts, { resource }: Move): Obstacle[] {
  const clone = vms.find((vm) => vm.resource === resource)?.clone?.id;
  return constraints
    .filter((one) => one.resource === resource || one.resource === clone)
    .map((one) => ({
      what: `the constraint ${one.id} is left over from a move or a ban by hand`,
      fix: `crm_resource --clear --resource ${one.resource}`,
    }));
}
