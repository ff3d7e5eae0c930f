/** Which test file has left sockets, servers, processes or timers open: what a leak's report needs to say. */

function held(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo())
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** Notes what is open after each file. What closes by itself a little later shows up too, so this is a hint, not a check. */
export class OpenHandles {
  /** Our own, as pipes to whoever reads our output. */
  readonly #ours = held();
  readonly #after: string[] = [];

  #now(): string {
    const more = [...held()].flatMap(([kind, count]) => {
      const surplus = count - (this.#ours.get(kind) ?? 0);
      return surplus > 0 ? [surplus > 1 ? `${surplus} ${kind}` : kind] : [];
    });
    return more.join(', ');
  }

  /** The tests of a file have ended. */
  note(file: string): void {
    const open = this.#now();
    if (open !== '') this.#after.push(`    after ${file}: ${open}`);
  }

  report(): string {
    return [`  left open after the last test: ${this.#now()}`, ...this.#after].join('\n');
  }
}
