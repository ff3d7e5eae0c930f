/** Programs that a node's PATH finds before the real ones: missing, failing, hanging, printing rubbish. */
import type { Lab } from '../lab/lab.js';
import { cloneDir } from '../lab/command.js';

const BIN = '/usr/lib/simxen/bin';
const OWN = '/usr/lib/simxen/wrapped';
const real = (): string => `${cloneDir()}/test/simxen/bin`;

/** Both are one rename: at no moment is there no xl. */
const SWITCH = `ln -sfn "$1" ${BIN}.new && mv -T ${BIN}.new ${BIN}`;

async function run(lab: Lab, node: string, script: string, ...words: string[]): Promise<void> {
  await lab.sh(node, ['sh', '-ec', script, 'sh', ...words]);
}

/** The wrapped program runs `body` (POSIX sh with the arguments in "$@"), then the real one; null: it is not there. */
export async function wrapProgram(
  lab: Lab,
  node: string,
  program: string,
  body: string | null,
): Promise<void> {
  const path = (
    await lab.sh(node, ['sh', '-c', `PATH=\${PATH#*:}; command -v ${program} || true`])
  ).trim();
  const inner = path === '' ? `${real()}/${program}` : path;
  await run(lab, node, `mkdir -p ${OWN}; for p in "$1"/*; do ln -sfn "$p" ${OWN}/; done`, real());
  await run(lab, node, `rm -f ${OWN}/"$1"`, program);
  if (body !== null) {
    const script = `#!/bin/sh\n${body}\nexec ${inner} "$@"\n`;
    await lab.sh(node, ['sh', '-ec', `cat >${OWN}/${program}; chmod 755 ${OWN}/${program}`], {
      stdin: script,
    });
  }
  await run(lab, node, SWITCH, OWN);
}

/** The real ones again. */
export async function unwrapAll(lab: Lab, node: string): Promise<void> {
  await run(lab, node, SWITCH, real());
  await run(lab, node, `rm -rf ${OWN}`);
}
