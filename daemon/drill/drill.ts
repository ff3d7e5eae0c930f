/**
 * `remusctl drill`: would a failover work now? Typed on any node, it asks every part that a failover needs to prove itself: the CIBs,
 * both daemons, the receiver, xl, the hypervisor, Pacemaker's scheduler, the fence devices. It only asks: nothing is written, and no
 * domain is touched.
 */
import type { Drill } from '../../ctl/drill.js';
import { duration } from '../../ctl/render/units.js';
import { patient } from '../adapters/patience.js';
import { PeerError } from '../adapters/peer-control.js';
import { NO_RECORD, parseRecord, type VmRecord } from '../core/record.js';
import type { Doctor } from '../doctor/doctor.js';
import { type Facts, failure, value } from '../doctor/facts.js';
import type { RemusNode } from '../node.js';
import { PeerRefusal, type PeerCalls } from '../peer-calls.js';
import { askPeersVm } from '../peer-status.js';
import type { Clock, Cluster } from '../ports.js';
import { judge, judgeAlone } from './judge.js';
import { type Asked, type Evidence, type Part, PARTS, type Proof, type VmWords } from './proofs.js';
import { type Shower, timed } from './show.js';

/** Longer than a receiver is watched, and than a fence device may take. */
const PART_MS = patient(25_000);
const STATUS_MS = patient(2_000);

export interface DrillParts {
  readonly node: Pick<RemusNode, 'name' | 'statuses'>;
  readonly cluster: Pick<Cluster, 'readRecord' | 'status'>;
  readonly calls: Pick<PeerCalls, 'call'>;
  readonly clock: Pick<Clock, 'now_ms'>;
  readonly doctor: Pick<Doctor, 'look'>;
  /** What is to be shown of this node. */
  readonly shower: Pick<Shower, 'show'>;
}

/** mode=restart. @throws what can be looked at instead */
function mustHaveReplica(resource: string, primary: Asked<VmWords | null>): void {
  if (value(primary.answer)?.mode !== 'restart') return;
  throw new Error(
    `${resource} has mode=restart: it is started anew, and there is no replica to prove; what that start needs is looked at by: remusctl doctor`,
  );
}

/** One line while it works. */
export type Tell = (text: string) => void;

export class Driller {
  readonly #parts: DrillParts;

  constructor(parts: DrillParts) {
    this.#parts = parts;
  }

  /** @throws when nothing says where the VM runs */
  async drill(resource: string, tell: Tell): Promise<Drill> {
    const { node, cluster } = this.#parts;
    const began = await this.#begin(resource);
    const { from, record } = began;
    const ask = this.#asking(tell);
    const doctor = ask('the doctor has looked at the nodes and the cluster', () =>
      this.#parts.doctor.look(),
    );
    const primary = await ask(`${from} has said how the VM is`, () => this.#words(from, resource));
    mustHaveReplica(resource, primary);
    const to = record.grant?.node ?? backupIn(await doctor, resource, from);
    const facts = { ...began, resource, here: node.name };
    if (to === null) return judgeAlone({ ...facts, primary });
    const show = <P extends Part>(at: string, part: P, what: string): Promise<Asked<Proof<P>>> =>
      ask(`${at} has shown ${what}`, () => this.#show(at, part, resource, from));
    const asked = {
      backup: ask(`${to} has said what it has`, () => this.#words(to, resource)),
      at_backup: ask(`the CIB of ${to} has been read`, () =>
        cluster.readRecord(resource, { node: to }),
      ),
      replica: show(to, 'replica', 'its receiver, its replica and the next checkpoints'),
      network: show(to, 'network', 'its bridges'),
      scheduler: show(to, 'scheduler', 'what Pacemaker would do there'),
      fencing: this.#fencers(from, to).then((names) =>
        Promise.all(
          names.map(async (name) => {
            return { node: name, proof: await show(name, 'fencing', 'its fence devices') };
          }),
        ),
      ),
    };
    return judge({
      ...{ ...facts, to, doctor: await doctor, primary },
      ...{ backup: await asked.backup, at_backup: await asked.at_backup },
      ...{ replica: await asked.replica, network: await asked.network },
      ...{ scheduler: await asked.scheduler, fencing: await asked.fencing },
    });
  }

  /** Where the VM runs, by what the DC has. */
  async #begin(resource: string): Promise<Pick<Evidence, 'from' | 'record' | 'at_dc'>> {
    const { cluster, clock } = this.#parts;
    const { answer, took_ms } = await timed(clock, () => cluster.readRecord(resource, 'dc'));
    if ('failed' in answer)
      throw new Error(`the record of ${resource} in the CIB cannot be read: ${answer.failed}`);
    const text = answer.ok ?? '';
    const record: VmRecord | null = parseRecord(text);
    if (record === null)
      throw new Error(
        `the record of ${resource} in the CIB is not understood ("${text}"); type: remusctl history ${resource}`,
      );
    const { primary: from } = record;
    if (record === NO_RECORD || from === null)
      throw new Error(
        `no record says where ${resource} runs; "remusctl status" lists the VMs, and "crm_mon -1A" what runs`,
      );
    return { from, record, at_dc: { text, took_ms } };
  }

  /** Never rejects; tells when it is done. */
  #asking(tell: Tell): <T>(done: string, work: () => Promise<T>) => Promise<Asked<T>> {
    const { clock } = this.#parts;
    return async (done, work) => {
      const asked = await timed(clock, work);
      const took = duration(asked.took_ms);
      const why = failure(asked.answer);
      tell(why === null ? `${done} (${took})` : `no answer after ${took}: ${why}`);
      return asked;
    };
  }

  async #words(at: string, resource: string): Promise<VmWords | null> {
    const { node, calls } = this.#parts;
    const vm =
      at === node.name
        ? (node.statuses().find((one) => one.resource === resource) ?? null)
        : await askPeersVm(calls, at, resource, STATUS_MS);
    if (vm === null) return null;
    const { state, words, hint = null, held, netbuf_off = false, acked_age_ms, mode } = vm;
    return { state, words, hint, held, netbuf_off, acked_age_ms, mode };
  }

  async #show<P extends Part>(
    at: string,
    part: P,
    resource: string,
    from: string,
  ): Promise<Proof<P>> {
    const { node, calls, shower } = this.#parts;
    if (at === node.name) return shower.show(part, resource, from);
    const params = { resource, part, from };
    const answer = await calls.call(at, 'drill', params, PART_MS).catch((error: unknown) => {
      throw isOlder(error) ? older(at) : error;
    });
    const parsed = PARTS[part].safeParse(answer);
    if (parsed.success) return parsed.data as Proof<P>;
    const field = parsed.error.issues[0]?.path.join('.') ?? '';
    throw new Error(
      `remusd on ${at} showed something else (${field}); install the same release on both nodes`,
    );
  }

  /** Any node that is left may have the device. */
  async #fencers(from: string, to: string): Promise<readonly string[]> {
    try {
      const { nodes } = await this.#parts.cluster.status();
      const others = nodes.filter(({ name, online }) => online && name !== from && name !== to);
      return [to, ...others.map(({ name }) => name)];
    } catch {
      return [to];
    }
  }
}

function isOlder(error: unknown): boolean {
  return error instanceof PeerError && error.remote_code === 'unknown-method';
}

function older(node: string): PeerRefusal {
  return new PeerRefusal(
    `remusd on ${node} is of a former release, which knows no drill; install the same release on both nodes`,
  );
}

/** The node that awaits a replica, by Pacemaker; null: none. */
function backupIn({ answer }: Asked<Facts>, resource: string, from: string): string | null {
  const facts = value(answer);
  const live = facts === null ? null : value(facts.cluster.live);
  const online = new Set(live?.members.filter((one) => one.online).map(({ name }) => name));
  const nodes = (live?.resources ?? [])
    .filter(({ id }) => id === resource)
    .flatMap((one) => one.nodes);
  return nodes.find((name) => name !== from && online.has(name)) ?? null;
}
