/** remusctl(8), from the tables that --help is made from. */
import { entry, example, paragraphs, roff, section } from '../agent/roff.js';
import { type Check, inCapitals } from '../daemon/doctor/check.js';
import { CHECKS } from '../daemon/doctor/checks.js';
import { commands, type CommandSpec } from './commands.js';
import { exit_code_words } from './exit-codes.js';
import { ABOUT, optionForm, sentence, usage } from './help.js';
import { release } from './release.js';

const DESCRIPTION = `Asks remusd(8) on this node, which asks the other nodes where it must. Run it as root, on any node of the cluster.
VM is the name of the resource in Pacemaker.

Nothing is moved by remusctl itself: Pacemaker moves and fences, and decides. No command leaves a constraint behind.`;

export const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['NO_COLOR', 'When it is not empty, colours are not used. They are used on a terminal only.'],
  ['REMUS_RUNDIR', 'Where remusd has its socket, when it is not /run/pacemaker-remus.'],
  ['REMUS_STATEDIR', 'Where remusd has its history, when it is not /var/lib/pacemaker-remus.'],
];

export const FILES: readonly (readonly [string, string])[] = [
  ['/run/pacemaker-remus/remusd.sock', "The daemon's socket, for root only."],
  [
    '/var/lib/pacemaker-remus/history',
    'What remusd has decided, one file a VM, at most 1 MiB each; read when it does not answer.',
  ],
  [
    '/usr/share/bash-completion/completions/remusctl',
    'Completion of commands, options, VMs and nodes.',
  ],
];

const EXAMPLES = `remusctl status
remusctl status vm1 --json
remusctl switchover vm1 --dry-run
remusctl switchover vm1 --to node2
remusctl failover vm1 --dry-run
remusctl failover vm1 --force
remusctl drill vm1
remusctl pause vm1
remusctl pause vm1 --for 2h storage work
remusctl resume vm1
remusctl resync vm1
remusctl history vm1 --limit 20
remusctl dump vm1 --checkpoints 1
remusctl doctor
remusctl doctor --config /etc/xen/vm2.cfg`;

function commandEntry(command: CommandSpec): string {
  const options = command.options.map((option) => entry(optionForm(option), option.summary));
  const text = entry(usage(command), sentence(command.summary), ...command.details);
  return options.length === 0 ? text : [text, '.RS', ...options, '.RE'].join('\n');
}

const DOCTOR = `What doctor looks at, with what it says when something is wrong. Words in capitals stand for names and numbers. The agent's
validate-all fails with the errors that are marked with an OCF_CHECK_LEVEL, from that level on.`;

/** The paragraphs of a check. Exported for tests. */
export function checkWords({ what, why, fix, advice, validate }: Check): readonly string[] {
  return [
    inCapitals(what),
    inCapitals(why),
    ...(fix.length === 0 ? [] : [`Do: ${fix.map(inCapitals).join('; ')}`]),
    ...(advice === undefined ? [] : [inCapitals(advice)]),
    ...(validate === undefined ? [] : [`OCF_CHECK_LEVEL=${validate.level}`]),
  ];
}

export function manualPage(): string {
  return [
    '.\\" Made from the tables in ctl/ by npm run build.',
    `.TH REMUSCTL 8 "" "pacemaker\\-remus ${release()}" "System administration"`,
    '.ad l',
    section('NAME', `remusctl \\- ${roff(ABOUT)}`),
    section('SYNOPSIS', `.B remusctl\n.I COMMAND\n[\\fIOPTIONS\\fR]`),
    section('DESCRIPTION', paragraphs(DESCRIPTION)),
    section('COMMANDS', ...commands.map(commandEntry)),
    section(
      'CHECKS OF DOCTOR',
      paragraphs(DOCTOR),
      ...CHECKS.map((check) => entry(`${check.id} (${check.severity})`, ...checkWords(check))),
    ),
    section('EXIT STATUS', ...exit_code_words.map(([code, words]) => entry(String(code), words))),
    section('ENVIRONMENT', ...ENVIRONMENT.map(([name, words]) => entry(name, words))),
    section('FILES', ...FILES.map(([path, words]) => entry(path, words))),
    section('EXAMPLES', example(EXAMPLES)),
    section('SEE ALSO', roff('remusd(8), ocf_xen_remus(7), crm_mon(8), crm(8), pcs(8), xl(1)')),
    '',
  ].join('\n');
}
