/** Looks at the facts that several checks share. */
import { type ConfigFacts, type Facts, type NodeFacts, type VmFacts, value } from './facts.js';

/** The nodes that have told about themselves. */
export function seen(facts: Facts): readonly NodeFacts[] {
  return facts.nodes.map((node) => node.facts).filter((node) => node !== null);
}

/** What a node says of a VM's configuration file; null when it could not be read there, or nobody has asked. */
export function configOn(node: NodeFacts, vm: VmFacts): ConfigFacts | null {
  const found = node.configs.find(({ path }) => path === vm.config_path);
  return found === undefined ? null : value(found.config);
}

/** The first node on which the VM's configuration can be read, and what it says. */
export function configOf(
  facts: Facts,
  vm: VmFacts,
): { readonly node: string; readonly config: ConfigFacts } | null {
  for (const node of seen(facts)) {
    const config = configOn(node, vm);
    if (config !== null) return { node: node.node, config };
  }
  return null;
}

export function incoming(name: string): string {
  return `${name}--incoming`;
}

/** Where the VM's own domain is, whether it runs or not. */
export function hostsOf(facts: Facts, name: string): readonly NodeFacts[] {
  return seen(facts).filter(
    (node) => value(node.domains)?.some((domain) => domain.name === name) === true,
  );
}

export function list(words: readonly string[]): string {
  return words.length < 2
    ? words.join('')
    : `${words.slice(0, -1).join(', ')} and ${words.at(-1) ?? ''}`;
}

/** A word for a shell, quoted only when it must be. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
