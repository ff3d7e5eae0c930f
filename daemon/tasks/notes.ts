/**
 * What must be known of a running replication by a daemon that did not start it: who the peer is, and whose
 * output is held. One file a VM, on the volatile disk, gone with the domains.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { errnoOf } from '../adapters/errors.js';
import { writeFileAtomic } from '../adapters/files.js';
import { inVmRoom, vmRoom, type Rooms } from '../rooms.js';

const replica = z.object({ generation: z.number(), session: z.string() });
const schema = z.discriminatedUnion('role', [
  z.object({
    role: z.literal('primary'),
    peer: z.object({
      node: z.string(),
      address: z.string(),
      port: z.number(),
      fingerprint: z.string(),
    }),
    replica,
    /** Those whose output is held: none with netbuf=off. */
    vifs: z.array(z.string()),
    netbuf: z.enum(['on', 'off']).default('on'),
    /** mode=restart: a copy for a planned move, at whose end the guest is paused. */
    move: z.boolean().default(false),
  }),
  z.object({ role: z.literal('backup'), from: z.string(), replica }),
]);

export type ReplicationNote = z.infer<typeof schema>;

export async function writeNote(
  rooms: Rooms,
  resource: string,
  note: ReplicationNote,
): Promise<void> {
  await mkdir(vmRoom(rooms, resource), { recursive: true, mode: 0o700 });
  await writeFileAtomic(inVmRoom(rooms, resource, 'replication.json'), JSON.stringify(note));
}

/** @returns null when there is none, or none that can be read: then it is found out by looking. */
export async function readNote(rooms: Rooms, resource: string): Promise<ReplicationNote | null> {
  try {
    const text = await readFile(inVmRoom(rooms, resource, 'replication.json'), 'utf8');
    return schema.parse(JSON.parse(text));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError || error instanceof z.ZodError)
      return null;
    throw error;
  }
}

/** Take the VM's room away, with all that is in it. */
export async function removeVmRoom(rooms: Rooms, resource: string): Promise<void> {
  await rm(vmRoom(rooms, resource), { recursive: true, force: true });
}
