/** What has to be undone when the bench ends, for whatever reason. */
type Undo = () => void | Promise<void>;

/** An undoing that hangs must not keep the others from being done. */
const UNDO_MS = 10_000;

export class Cleanup {
  readonly #undo: Undo[] = [];

  add(undo: Undo): void {
    this.#undo.push(undo);
  }

  /** The last first. Says what failed, and goes on. */
  async run(say: (line: string) => void): Promise<void> {
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) {
      try {
        await within(UNDO_MS, 'cleaning up', Promise.resolve(undo()));
      } catch (error) {
        say(error instanceof Error ? error.message : String(error));
      }
    }
  }
}

/** The promise's value, or an error when it takes longer than `ms`. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
