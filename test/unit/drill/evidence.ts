/** What a drill sees of a protected VM in a healthy cluster, for tests to spoil. */
import { parseRecord, NO_RECORD } from '../../../daemon/core/record.js';
import type {
  Asked,
  Evidence,
  FencingProof,
  ReplicaProof,
  Watched,
} from '../../../daemon/drill/proofs.js';
import type { Facts } from '../../../daemon/doctor/facts.js';
import { healthy, live as doctors_live } from '../doctor/healthy.js';

export function said<T>(ok: T, took_ms = 10): Asked<T> {
  return { answer: { ok }, took_ms };
}

export function mute(why = 'no answer'): Asked<never> {
  return { answer: { failed: why }, took_ms: 2_000 };
}

export const RECORD = 'g=5 primary=pm1 grant=pm2/5/ab12cd34';

export const watched: Watched = {
  ...{ pid: 200, phase: 'ready', connected: true, silent_ms: 90 },
  replica: { generation: 5, session: 'ab12cd34' },
  ...{ complete_first: 88, complete: 90, applied: 89, answered_ms: 3, watched_ms: 410 },
};

export const replica: ReplicaProof = {
  phase: 'replica',
  held: {
    replica: { generation: 5, session: 'ab12cd34' },
    receiver: { phase: 'ready', connected: true, complete: 88, applied: 88, unfed: false },
  },
  ...{ on_no_replica: 'start', interval_ms: 200, replication_timeout_ms: 5_000, domain: 'vm1' },
  receiver: said(watched, 413),
  processes: said([
    { pid: 200, kind: 'receiver', state: 'S' },
    { pid: 201, kind: 'xl migrate-receive', state: 'S' },
  ]),
  domains: said([{ name: 'vm1--incoming', domid: 3, paused: true }]),
};

const vm = { domain: 'x', failed: false, managed: true, agent: 'ocf:xen:remus' };

export const doctor: Facts = {
  ...healthy,
  cluster: {
    ...healthy.cluster,
    live: {
      ok: {
        ...doctors_live,
        resources: [
          ...doctors_live.resources,
          { ...vm, id: 'vm1', role: 'Promoted', nodes: ['pm1'] },
          { ...vm, id: 'vm1', role: 'Unpromoted', nodes: ['pm2'] },
        ],
      },
    },
  },
};

export function withDevices(
  ...devices: { id: string; monitor: Asked<true> }[]
): Pick<Evidence, 'fencing'> {
  const proof: FencingProof = { devices: { ok: devices } };
  return { fencing: [{ node: 'pm2', proof: said(proof) }] };
}

export const evidence: Evidence = {
  ...{ resource: 'vm1', here: 'pm1', from: 'pm1', to: 'pm2' },
  record: parseRecord(RECORD) ?? NO_RECORD,
  at_dc: { text: RECORD, took_ms: 30 },
  at_backup: said(RECORD),
  primary: said({
    state: 'protected',
    words: 'protected',
    hint: null,
    held: true,
    netbuf_off: false,
    acked_age_ms: 140,
  }),
  backup: said({
    state: 'ready',
    words: 'replica: ready',
    hint: null,
    held: false,
    netbuf_off: false,
    acked_age_ms: null,
  }),
  replica: said(replica),
  network: said({
    bridges: [{ name: 'xenbr0', up: true, uplinks: [{ name: 'eth2', link: true }] }],
  }),
  scheduler: said({ kind: 'node', node: 'pm2' }, 60),
  ...withDevices({ id: 'fence-pm1', monitor: said(true, 300) }),
  doctor: said(doctor, 900),
};

/** With another look of the backup at its replica. */
export function withReplica(more: Partial<ReplicaProof>): Evidence {
  return { ...evidence, replica: said({ ...replica, ...more }) };
}

export function withWatched(more: Partial<Watched>): Evidence {
  return withReplica({ receiver: said({ ...watched, ...more }, 413) });
}

export function withDoctor(more: Partial<Facts>): Evidence {
  return { ...evidence, doctor: said({ ...doctor, ...more }) };
}

export function withCluster(more: Partial<Facts['cluster']>): Evidence {
  return withDoctor({ cluster: { ...doctor.cluster, ...more } });
}
