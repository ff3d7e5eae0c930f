/**
 * A program that somebody runs and waits for. It goes on when its caller dies; it may fail, with its work done or
 * not, or hang until its deadline. Whoever finds it can kill it.
 */
import { Process } from './process.js';

export interface Program {
  readonly name: string;
  readonly argv?: readonly string[];
  readonly min_ms: number;
  readonly max_ms: number;
  readonly timeout_ms: number;
  /** It never fails by chance: e.g. reading a file. */
  readonly safe?: boolean;
}

export function runProgram<T>(
  caller: Process,
  program: Program,
  work: (child: Process) => T | Promise<T>,
): Promise<T> {
  const { machine } = caller;
  const { random, trouble } = machine.world;
  const child = new Process(machine, program.name, program.argv ?? [program.name]);
  const may = program.safe !== true;
  const fails = may && random.chance(trouble.fails);
  const works = !fails || random.chance(0.5);
  const hangs = may && random.chance(trouble.hangs);
  const ms =
    random.between(program.min_ms, program.max_ms) + (hangs ? random.between(0, 40_000) : 0);
  return new Promise((resolve, reject) => {
    let over = false;
    const settle = (run: () => void): void => {
      over = true;
      late.cancel();
      // The promise of a caller that is dead stays open: nothing of it goes on.
      caller.deliver(run);
      child.end();
    };
    child.onEnd(() => {
      if (!over) caller.deliver(() => reject(new Error(`${program.name} was killed`)));
    });
    const late = caller.after(program.timeout_ms, () =>
      settle(() => reject(new Error(`${program.name} took too long`))),
    );
    child.after(ms, () => {
      if (!works) {
        settle(() => reject(new Error(`${program.name} failed`)));
        return;
      }
      Promise.resolve()
        .then(() => work(child))
        .then(
          (value) =>
            settle(() => {
              if (fails) reject(new Error(`${program.name} failed`));
              else resolve(value);
            }),
          (error: unknown) =>
            settle(() => reject(error instanceof Error ? error : new Error(String(error)))),
        );
    });
  });
}
