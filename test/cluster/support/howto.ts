/** docs/howto.md, as steps: what its code blocks type, and what its comments say of the lab and of what must come true. */

export interface Task {
  readonly title: string;
  /** Why nothing of it is run; null when it is. */
  readonly not_run: string | null;
  readonly steps: readonly Step[];
}

export type Step =
  /** A shell script, on alpha, beta, or any node that is on. */
  | { readonly kind: 'type'; readonly where: string; readonly script: string }
  /** Something happens in the lab. */
  | { readonly kind: 'lab'; readonly what: string }
  /** This comes true. */
  | { readonly kind: 'then'; readonly what: string };

const STEP =
  /^```sh(?: (?<where>\w+))?\n(?<script>[\s\S]*?)^```$|^<!-- (?<kind>lab|then):? (?<what>.+) -->$/gm;
const NOT_RUN = /^<!-- not run here: (.+) -->$/m;

export function tasksOf(page: string): readonly Task[] {
  return page
    .split(/^## /m)
    .slice(1)
    .map((section) => ({
      title: section.split('\n', 1)[0] ?? '',
      not_run: NOT_RUN.exec(section)?.[1] ?? null,
      steps: [...section.matchAll(STEP)].map(({ groups }) => stepOf(groups ?? {})),
    }));
}

function stepOf({ where, script, kind, what = '' }: Record<string, string | undefined>): Step {
  if (script === undefined) return { kind: kind === 'lab' ? 'lab' : 'then', what };
  return { kind: 'type', where: where ?? 'nowhere', script };
}
