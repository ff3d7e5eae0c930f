/** What a peer's remusd may ask of this one. It is authenticated by its certificate, and believed in nothing else. */
import type { PeerHandlers } from './adapters/peer-control.js';
import { OCF } from './core/ocf.js';
import type { Doctor } from './doctor/doctor.js';
import type { RemusNode } from './node.js';
import { PeerRefusal, REQUESTS, type PeerCalls } from './peer-calls.js';

export function peerHandlers(
  node: RemusNode,
  calls: PeerCalls,
  recovered: Promise<void>,
  doctor?: Doctor,
): PeerHandlers {
  return {
    prepare: async (params, from) => {
      const asked = REQUESTS.prepare.parse(params);
      await recovered;
      const vm = node.known(asked.resource);
      const config = vm?.driver.state.config ?? null;
      if (vm === null || config === null) {
        throw new PeerRefusal(`${asked.resource} is not started on ${node.name}`);
      }
      const problem = await calls.disagreement(config, asked, node.name, from);
      if (problem !== null) throw new PeerRefusal(problem);
      return vm.driver.peerPrepare((request) => ({
        type: 'peer-prepare',
        request,
        from,
        replica: asked.replica,
      }));
    },
    drop: async (params) => {
      const { resource, replica } = REQUESTS.drop.parse(params);
      await recovered;
      node.known(resource)?.driver.post({ type: 'peer-drop', replica });
      return null;
    },
    activated: async (params, from) => {
      const { resource, generation } = REQUESTS.activated.parse(params);
      await recovered;
      node.known(resource)?.driver.post({ type: 'peer-activated', node: from, generation });
      return null;
    },
    switchover: async (params) => {
      const { resource, to, timeout_ms } = REQUESTS.switchover.parse(params);
      await recovered;
      const vm = node.known(resource);
      if (vm === null) throw new PeerRefusal(`${resource} is not started on ${node.name}`);
      const answer = await vm.driver.request(
        (op) => ({ type: 'op-switchover', op, to }),
        timeout_ms,
      );
      if (answer.rc !== OCF.SUCCESS)
        throw new PeerRefusal(answer.reason ?? 'refused without a reason');
      return answer.data ?? null;
    },
    status: async (params) => {
      REQUESTS.status.parse(params);
      await recovered;
      return { vms: node.statuses() };
    },
    // Waits for nothing: a node that cannot recover its VMs is the one to look at.
    ...(doctor === undefined
      ? {}
      : { facts: (params) => doctor.facts(REQUESTS.facts.parse(params)) }),
  };
}
