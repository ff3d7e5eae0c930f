/** What a domain's configuration says of one interface (xl-network-configuration(5)). */

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
