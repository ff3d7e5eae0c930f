// The simulated xl. Each subcommand is in a module of its own, loaded when it is called: starting must be quick.
import { err, out, useTimestamps } from './stdio.js';

type Command = (args: readonly string[]) => Promise<number> | number;

const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  info: async () => (await import('./xl-info.js')).info,
  uptime: async () => (await import('./xl-info.js')).uptime,
  'network-list': async () => (await import('./xl-info.js')).networkList,
  'vcpu-list': async () => (await import('./xl-info.js')).vcpuList,
  list: async () => (await import('./xl-list.js')).list,
  domid: async () => (await import('./xl-list.js')).domid,
  domname: async () => (await import('./xl-list.js')).domname,
  create: async () => (await import('./xl-create.js')).create,
  destroy: async () => (await import('./xl-life.js')).destroy,
  pause: async () => (await import('./xl-life.js')).pause,
  unpause: async () => (await import('./xl-life.js')).unpause,
  shutdown: async () => (await import('./xl-life.js')).shutdown,
  reboot: async () => (await import('./xl-life.js')).reboot,
  suspend: async () => (await import('./xl-life.js')).suspend,
  resume: async () => (await import('./xl-life.js')).resume,
  sysrq: async () => (await import('./xl-life.js')).sysrq,
  rename: async () => (await import('./xl-life.js')).rename,
  remus: async () => (await import('./xl-remus.js')).remus,
  'migrate-receive': async () => (await import('./xl-receive.js')).migrateReceive,
  // Not xl's: the process that `xl create` leaves behind to watch the domain.
  'simxen-monitor': async () => (await import('./monitor.js')).monitor,
};

/** Words that only the newer release knows. */
const ONLY_420 = new Set(['suspend', 'resume']);

/** As xl prints it: a name a line, and what it does. */
function help(knows: (command: string) => boolean): void {
  out('Usage xl [-vfNtT] <subcommand> [args]\n\nxl full list of subcommands:\n\n');
  const names = Object.keys(COMMANDS).filter((name) => name !== 'simxen-monitor' && knows(name));
  for (const name of names) out(` ${name.padEnd(19)} Simulated\n`);
}

async function main(args: readonly string[]): Promise<number> {
  let at = 0;
  let dryRun = false;
  while (/^-[vfNtT]+$/.test(args[at] ?? '')) {
    const flags = args[at++] ?? '';
    if (flags.includes('T')) useTimestamps();
    if (flags.includes('N')) dryRun = true;
  }
  const name = args[at];
  const { release } = await import('./paths.js');
  if (name === undefined || name === 'help') {
    help((command) => release() !== '4.17' || !ONLY_420.has(command));
    return name === undefined ? 1 : 0;
  }
  const load = COMMANDS[name];
  if (load === undefined || (ONLY_420.has(name) && release() === '4.17')) {
    err(`command not implemented`);
    return 1;
  }
  const rest = args.slice(at + 1);
  return (await load())(dryRun && name === 'create' ? ['-n', ...rest] : rest);
}

process.exitCode = await main(process.argv.slice(2));
process.exit();
