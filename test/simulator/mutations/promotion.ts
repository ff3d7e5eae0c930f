/** What a promotion goes by, and what a daemon that comes back believes. */
import type { PacemakerCluster } from '../../../daemon/adapters/pacemaker.js';
import { formatRecord, parseRecord } from '../../../daemon/core/record.js';
import { hears } from './hears.js';
import type { Mutation } from './mutation.js';

/** What the DC says is taken for something else; the claim that is written by it goes over what really is there. */
function misread(
  real: PacemakerCluster,
  told: (text: string | null) => string | null,
): PacemakerCluster {
  const truth = new Map<string | null, string | null>();
  return {
    ...real,
    readRecord: async (resource, at) => {
      const text = await real.readRecord(resource, at);
      if (at !== 'dc') return text;
      const lie = told(text);
      truth.set(lie, text);
      return lie;
    },
    swapRecord: (resource, before, value) =>
      real.swapRecord(resource, truth.has(before) ? (truth.get(before) ?? null) : before, value),
  };
}

export const promotion: readonly Mutation[] = [
  {
    name: 'grant-before-ack',
    what: 'the replica is granted before a checkpoint is acknowledged and output is held',
    breaks: ['P2', 'P3', 'P4'],
    driver: hears((event) => {
      if (event.type !== 'sender' || event.state.phase !== 'first-copy') return event;
      const stats = { ...event.state.stats, acked: 2 };
      return { ...event, state: { ...event.state, phase: 'flowing', holding: true, stats } };
    }),
  },
  {
    name: 'trust-a-stale-record',
    what: 'a promotion goes by the last grant that this node has seen, not by the record of now',
    breaks: ['P2', 'P3', 'P4'],
    cluster: (real, machine) => {
      let granted: string | null = null;
      return misread(real, (text) => {
        if (text?.includes(` grant=${machine.name}/`) === true) granted = text;
        const { note } = machine;
        // It has seen it when its receiver was fed.
        if (granted === null && note?.role === 'backup')
          return formatRecord({
            ...{ generation: note.replica.generation, primary: note.from },
            grant: { node: machine.name, replica: note.replica },
          });
        return granted ?? text;
      });
    },
  },
  {
    name: 'activate-another-session',
    what: 'any replica that is here is activated, whichever one the record grants',
    breaks: ['P2', 'P3'],
    cluster: (real, machine) =>
      misread(real, (text) => {
        const record = parseRecord(text);
        const { note } = machine;
        if (note?.role !== 'backup' || record === null) return text;
        return formatRecord({ ...record, grant: { node: machine.name, replica: note.replica } });
      }),
  },
  {
    name: 'forget-the-grant',
    what: 'a daemon that comes back forgets that its replica was granted',
    breaks: ['P3', 'P4'],
    driver: hears((event) => {
      if (event.type !== 'recovered') return event;
      const { findings } = event;
      const record = findings.record === null ? null : { ...findings.record, grant: null };
      return { ...event, findings: { ...findings, record, sender: null, replica: null } };
    }),
  },
  {
    name: 'adopt-a-paused-replica',
    what: 'a receiver that is lost while it holds a replica has it activated by the daemon',
    breaks: ['P1', 'P2'],
    driver: hears((event, machine, driver) => {
      const { phase } = driver.state;
      if (event.type === 'receiver' && phase.kind === 'replica' && !event.state.connected)
        if (event.state.phase === 'ready')
          machine.sockets.get('/run/vm1/receiver.sock')?.command({ type: 'activate' });
      return event;
    }),
  },
  {
    name: 'start-over-a-grant',
    what: 'a start from the configuration does not wait until the node whose grant it takes away knows, or is down',
    breaks: ['P3', 'P4'],
    scene: 'parted-while-it-is-handed-over',
    driver: hears((event, _machine, driver) => {
      if (event.type !== 'done' || event.task !== 'membership') return event;
      return driver.state.phase.kind === 'promoting' ? { ...event, value: 'fenced' } : event;
    }),
  },
];
