/** A group of states as a mermaid stateDiagram. */
import type { Edge } from './graph.js';
import { type Group, isCommon, type Common } from './groups.js';
import { inShort, type Name, text } from './names.js';

/** Of one arrow; the table has them all. */
const LINES_MAX = 4;
const WORDS_MAX = 3;

export function mermaid(group: Group, edges: readonly Edge[], commons: readonly Common[]): string {
  const arrows = new Map<string, Set<string>>();
  const names = new Map<string, string>();
  for (const edge of edges) {
    if (isCommon(edge, commons)) continue;
    const [from, to] = [drawn(edge.from, group), drawn(edge.to, group)];
    if (from === to) continue;
    for (const name of [from, to]) names.set(idOf(name), name);
    const key = `${idOf(from)} --> ${idOf(to)}`;
    const labels = arrows.get(key) ?? new Set();
    arrows.set(key, labels.add(edge.label));
  }
  return [
    'stateDiagram-v2',
    ...[...names]
      .filter(([id, name]) => id !== name)
      .map(([id, name]) => `state "${name}" as ${id}`),
    ...(names.has('stopped') ? ['[*] --> stopped'] : []),
    ...[...arrows].map(([arrow, labels]) => `${arrow} : ${inLines([...labels])}`),
  ].join('\n  ');
}

/** What is not of the group is drawn without its inside. */
function drawn(name: Name, group: Group): string {
  return text(name, group.has(name) ? group.depth : name.kind === 'primary' ? 'sub' : 'kind');
}

function idOf(name: string): string {
  return name.replaceAll(/[^a-z0-9]+/g, '_');
}

/** Colons and semicolons would end a label. */
function inLines(labels: readonly string[]): string {
  const lines = inShort(labels, WORDS_MAX);
  const shown = lines.length > LINES_MAX ? lines.slice(0, LINES_MAX - 1) : lines;
  const more = shown.length < lines.length ? ['and more'] : [];
  return [...shown, ...more].map((line) => line.replaceAll(/[:;#]/g, '')).join('<br/>');
}
