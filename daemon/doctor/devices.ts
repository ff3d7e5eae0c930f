/** What a domain's configuration says of one interface or disk (xl-network-configuration(5), xl-disk-configuration(5)). */

export interface Vif {
  readonly bridge: string | null;
  readonly vifname: string | null;
  readonly backend: string | null;
  /** The hotplug script; null: vif-bridge. */
  readonly script: string | null;
}

export function parseVif(spec: string): Vif {
  const values = keyValues(spec);
  return {
    bridge: values.get('bridge') ?? null,
    vifname: values.get('vifname') ?? null,
    backend: values.get('backend') ?? null,
    script: values.get('script') ?? null,
  };
}

/** Whether the guest's interface is put on a bridge. */
export function isBridged({ script }: Vif): boolean {
  return script === null || /(^|\/)vif-bridge$/.test(script);
}

/** Served by dom0: its output can be held. */
export function isOfDom0({ backend }: Vif): boolean {
  return backend === null || backend === '0' || backend === 'Domain-0';
}

function keyValues(spec: string): Map<string, string> {
  const words = spec.split(',').flatMap((word): [string, string][] => {
    const at = word.indexOf('=');
    return at < 0 ? [] : [[word.slice(0, at).trim().toLowerCase(), word.slice(at + 1).trim()]];
  });
  return new Map(words);
}

export interface Disk {
  readonly target: string;
  readonly writable: boolean;
}

/** Older spellings name the format before the target: phy:/dev/vg/disk,xvda,w */
const PREFIX = /^(?:(?:tapdisk|tap2?|aio|ioemu|file|phy|qcow2?|raw|vhd|qdisk):)+/;

export function parseDisk(spec: string): Disk {
  const at = spec.search(/(?:^|,)\s*target\s*=/);
  // "target=" takes all the rest, commas, too.
  const rest = at < 0 ? '' : spec.slice(at).replace(/^,?\s*target\s*=\s*/, '');
  const words = (at < 0 ? spec : spec.slice(0, at)).split(',').map((word) => word.trim());
  const plain = words.filter((word) => !word.includes('='));
  const access = keyValues(words.join(',')).get('access') ?? plain[at < 0 ? 3 : 2] ?? '';
  const short = plain.length === 3 && /^(?:r|ro|w|rw)$/.test(plain[2] ?? '') ? plain[2] : undefined;
  const cdrom = words.some(
    (word) => /^(?:cdrom|devtype=cdrom)$/.test(word) || word.endsWith(':cdrom'),
  );
  return {
    target: (at < 0 ? (plain[0] ?? spec) : rest).replace(PREFIX, ''),
    writable: !cdrom && !/^ro?$/.test(short ?? access),
  };
}
