/** What a peer's remusd may ask of this one. It is authenticated by its certificate, and believed in nothing else. */
import type { PeerHandlers } from './adapters/peer-control.js';
import type { History } from './adapters/store.js';
import type { Event } from './core/event.js';
import { OCF } from './core/ocf.js';
import type { OpRef } from './core/state.js';
import type { Foreseer } from './foresight.js';
import { ownHistory } from './history-view.js';
import type { Doctor } from './doctor/doctor.js';
import type { Shower } from './drill/show.js';
import type { RemusNode } from './node.js';
import { type PauseAsked, pauseOf } from './pause-request.js';
import { notDone, PeerRefusal, understood, type PeerCalls } from './peer-calls.js';
import type { Clock } from './ports.js';

export function peerHandlers(
  node: RemusNode,
  calls: PeerCalls,
  recovered: Promise<void>,
  history: Pick<History, 'newest'>,
  clock: Pick<Clock, 'wall'>,
  doctor?: Doctor,
  foreseer?: Pick<Foreseer, 'switchoverHere' | 'resyncHere'>,
  shower?: Pick<Shower, 'show'>,
): PeerHandlers {
  /** An operator's command that was typed on another node. */
  const ask = async (
    resource: string,
    timeout_ms: number,
    make: (op: OpRef) => Event,
  ): Promise<unknown> => {
    await recovered;
    const vm = node.known(resource);
    if (vm === null) throw new PeerRefusal(`${resource} is not started on ${node.name}`);
    const answer = await vm.driver.request(make, timeout_ms);
    if (answer.rc !== OCF.SUCCESS) throw notDone(answer.rc, answer.reason ?? 'no reason is given');
    return answer.data ?? null;
  };
  const pause = (
    asked: PauseAsked & { readonly resource: string; readonly timeout_ms: number },
    from: string,
  ): Promise<unknown> =>
    ask(asked.resource, asked.timeout_ms, (op) => ({
      ...{ type: 'op-pause', op, pause: pauseOf(asked, from, clock) },
    }));
  return {
    prepare: async (params, from) => {
      const asked = understood('prepare', params);
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
      const { resource, replica, paused } = understood('drop', params);
      await recovered;
      node.known(resource)?.driver.post({ type: 'peer-drop', replica, paused });
      return null;
    },
    paused: async (params, from) => {
      const { resource, generation, paused } = understood('paused', params);
      await recovered;
      node.known(resource)?.driver.post({ type: 'peer-paused', from, generation, paused });
      return null;
    },
    activated: async (params, from) => {
      const { resource, generation } = understood('activated', params);
      await recovered;
      node.known(resource)?.driver.post({ type: 'peer-activated', node: from, generation });
      return null;
    },
    switchover: async (params) => {
      const { resource, to, timeout_ms } = understood('switchover', params);
      return ask(resource, timeout_ms, (op) => ({ type: 'op-switchover', op, to }));
    },
    pause: async (params, from) => {
      const asked = understood('pause', params);
      return pause({ ...asked, for_s: null }, from);
    },
    'pause-for': async (params, from) => pause(understood('pause-for', params), from),
    resume: async (params) => {
      const { resource, timeout_ms } = understood('resume', params);
      return ask(resource, timeout_ms, (op) => ({ type: 'op-resume', op }));
    },
    resync: async (params, from) => {
      const { resource, timeout_ms, by } = understood('resync', params);
      const asker = { by, node: from };
      return ask(resource, timeout_ms, (op) => ({ type: 'op-resync', op, asker }));
    },
    history: (params) => {
      const { resource, limit } = understood('history', params);
      return ownHistory({ node: node.name, history }, resource, limit);
    },
    status: async (params) => {
      understood('status', params);
      await recovered;
      return { vms: node.statuses() };
    },
    ...(foreseer === undefined
      ? {}
      : {
          foresee: async (params) => {
            const { resource, to } = understood('foresee', params);
            await recovered;
            return foreseer.switchoverHere(resource, to);
          },
          'foresee-resync': async (params) => {
            const { resource } = understood('foresee-resync', params);
            await recovered;
            return foreseer.resyncHere(resource);
          },
        }),
    ...(shower === undefined
      ? {}
      : {
          drill: async (params) => {
            const { part, resource, from } = understood('drill', params);
            await recovered;
            return shower.show(part, resource, from);
          },
        }),
    // Waits for nothing: a node that cannot recover its VMs is the one to look at.
    ...(doctor === undefined
      ? {}
      : { facts: (params) => doctor.facts(understood('facts', params)) }),
  };
}
