/** What another node's remusd says of a VM, as far as this one goes by it. Loose: that one may be of a later release. */
import { z } from 'zod';
import { PeerRefusal, type PeerCalls } from './peer-calls.js';

const peersVm = z.looseObject({
  resource: z.string(),
  state: z.string(),
  words: z.string(),
  hint: z.string().nullable().default(null),
  generation: z.number().nullable(),
  held: z.boolean(),
  netbuf_off: z.boolean().default(false),
  mode: z.string().optional(),
  acked_age_ms: z.number().nullable(),
});
export type PeersVm = z.infer<typeof peersVm>;

/** Of `status`, which every release answers. */
const peersStatus = z.looseObject({ vms: z.array(peersVm) });

/** @returns null: that node does not know the VM. @throws when remusd there gives no answer, or another one */
export async function askPeersVm(
  calls: Pick<PeerCalls, 'call'>,
  node: string,
  resource: string,
  timeout_ms: number,
): Promise<PeersVm | null> {
  const parsed = peersStatus.safeParse(await calls.call(node, 'status', {}, timeout_ms));
  if (parsed.success) return parsed.data.vms.find((vm) => vm.resource === resource) ?? null;
  throw new PeerRefusal(
    `remusd on ${node} does not say what it holds; install the same release on both nodes`,
  );
}
