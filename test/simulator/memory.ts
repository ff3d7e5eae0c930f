/**
 * A guest's memory, as far as an outside client can tell: how far it has counted, and what it came from. A cold
 * start begins a line of its own; an activated replica begins a line that branches off its checkpoint.
 */
export interface Memory {
  readonly line: number;
  readonly count: number;
}

export class Lines {
  readonly #parents: (Memory | null)[] = [];

  begin(parent: Memory | null): Memory {
    this.#parents.push(parent);
    return { line: this.#parents.length - 1, count: 0 };
  }

  /** Whether `now` remembers `then`. */
  remembers(now: Memory, then: Memory): boolean {
    if (now.line === then.line) return then.count <= now.count;
    const parent = this.#parents[now.line] ?? null;
    return parent !== null && this.remembers(parent, then);
  }

  /** Whether one began where the other was: else there was a cold start between them. */
  related(a: Memory, b: Memory): boolean {
    return this.#root(a.line) === this.#root(b.line);
  }

  #root(line: number): number {
    const parent = this.#parents[line] ?? null;
    return parent === null ? line : this.#root(parent.line);
  }
}

export function inWords({ line, count }: Memory): string {
  return `${line}:${count}`;
}
