/** One test run at a time on a lab: two would cut each other's power. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

function holderOf(path: string): number | null {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    process.kill(pid, 0);
    return pid;
  } catch {
    return null;
  }
}

/** Until this process ends. @throws when a process that is still there has it */
export function claim(path: string): void {
  const holder = holderOf(path);
  if (holder === process.pid) return;
  if (holder !== null)
    throw new Error(`another run has the lab: wait for it, or end it with "kill ${holder}"`);
  rmSync(path, { force: true });
  writeFileSync(path, String(process.pid), { flag: 'wx' });
  process.once('exit', () => rmSync(path, { force: true }));
}
