/**
 * The disks of a domain's configuration (xl-disk-configuration(5)): which of them may be ahead of the memory that a failover
 * resumes. A specification is read from left to right, word by word, as xl does; one that xl would not take counts as written to.
 */

export interface Disk {
  /** Where its content is, as the file says; empty: a drive with nothing in it. */
  readonly target: string;
  /** What the guest calls it, e.g. xvda; null when the file does not say. */
  readonly vdev: string | null;
  readonly writable: boolean;
}

/**
 * Backends that replicate what the guest writes together with its memory: on the backup it counts only once the checkpoint after
 * it is complete, and is dropped with one that never is. There is none. Libxl knows one, DRBD with "protocol D" of a fork of 2012,
 * which no distribution has; and `xl remus` is run with -d (daemon/tasks/replication.ts), so nobody would tell it of checkpoints.
 */
const REPLICATED: readonly ((disk: Disk) => boolean)[] = [];

/** After a failover its content may be younger than the memory: the guest's file system then breaks. */
export function mayBeAhead(disk: Disk): boolean {
  return disk.writable && !REPLICATED.some((is) => is(disk));
}

/** What it is called where room is short: as the guest calls it. */
export function shortName({ vdev, target }: Disk): string {
  return [vdev, target].find((word) => word) ?? 'without a name';
}

/** Older spellings name the format or the script before the target, several in a row, too: tap:aio:/srv/disk,xvda,w */
const PREFIX = /^(?:raw|qcow2?|vhd|iscsi|e?nbd|drbd|tapdisk|tap2?|aio|ioemu|file|phy):/;

/** What has been read so far of one specification. */
interface Reading {
  target: string | null;
  format: boolean;
  vdev: string | null;
  access: boolean;
  writable: boolean;
  cdrom: boolean;
}

export function parseDisk(spec: string): Disk {
  const read: Reading = {
    ...{ target: null, format: false, vdev: null },
    ...{ access: false, writable: true, cdrom: false },
  };
  let rest = spec.trimStart();
  while (rest !== '') {
    const prefix = PREFIX.exec(rest)?.[0];
    if (prefix !== undefined) {
      // The older spelling has no place for a format.
      read.format = true;
      rest = rest.slice(prefix.length);
      continue;
    }
    if (rest.startsWith('target=')) {
      // It takes all the rest, commas, too.
      read.target = rest.slice('target='.length).replace(/,$/, '');
      break;
    }
    const comma = rest.indexOf(',');
    takeWord(read, comma < 0 ? rest : rest.slice(0, comma));
    rest = comma < 0 ? '' : rest.slice(comma + 1).trimStart();
  }
  const { target, vdev, writable, cdrom } = read;
  return { target: target ?? '', vdev, writable: writable && !cdrom };
}

const FLAGS: ReadonlySet<string> = new Set(
  'direct-io-safe discard no-discard colo no-colo trusted untrusted'.split(' '),
);

function takeWord(read: Reading, word: string): void {
  if (FLAGS.has(word)) return;
  if (word === 'cdrom') {
    read.cdrom = true;
    return;
  }
  const equals = word.indexOf('=');
  if (equals < 0) takePositional(read, word);
  else takeNamed(read, word.slice(0, equals), word.slice(equals + 1));
}

function takeNamed(read: Reading, key: string, value: string): void {
  if (key === 'access') read.writable = isWritable(value);
  else if (key === 'vdev') read.vdev = value;
  else if (key === 'format') read.format = true;
  else if (key === 'devtype') read.cdrom = value === 'cdrom';
}

/** Each word without a name is the first of these that there is not yet. */
function takePositional(read: Reading, word: string): void {
  if (read.target === null) {
    read.target = word;
  } else if (!read.format) {
    read.format = true;
    // xend's spelling of an empty drive: ,hdc:cdrom,r
    if (read.target === '' && word.includes(':')) takeVdev(read, word);
  } else if (read.vdev === null) {
    takeVdev(read, word);
  } else if (!read.access) {
    read.access = true;
    read.writable = isWritable(word);
  }
}

function takeVdev(read: Reading, word: string): void {
  const colon = word.lastIndexOf(':');
  read.vdev = colon < 0 ? word : word.slice(0, colon);
  if (colon >= 0) read.cdrom = word.slice(colon + 1) === 'cdrom';
}

function isWritable(access: string): boolean {
  return access !== 'r' && access !== 'ro';
}
