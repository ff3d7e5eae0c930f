/** The agent's manual page, ocf_xen_remus(7), from the same tables as its metadata and its validation. */
import { ACTIONS, type Action } from './actions.js';
import { LONGDESC, SHORTDESC } from './metadata.js';
import { OUTCOMES } from './outcomes.js';
import { allowed, PARAMETERS, type Parameter } from './parameters.js';

/** Text as troff takes it: no control lines, no escapes, hyphens that can be copied. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');
}

function parameterEntry(parameter: Parameter): string {
  const facts = [
    `must be ${allowed(parameter)}`,
    parameter.required ? 'required' : `default: ${parameter.default ?? 'none'}`,
    parameter.reloadable ? 'can change while the VM runs' : '',
  ].filter((fact) => fact !== '');
  return `.TP\n.B ${parameter.name}\n${roff(parameter.longdesc)}\n(${roff(facts.join('; '))})`;
}

function actionEntry({ name, timeout_s, monitor }: Action): string {
  const when = monitor === undefined ? '' : ` interval=${monitor.interval_s}s role=${monitor.role}`;
  return `.TP\n.B ${roff(name)}\n${roff(`timeout=${timeout_s}s${when}`)}`;
}

const EXAMPLE = `crm configure primitive vm1 ocf:xen:remus params config=/etc/xen/vm1.cfg \\
  op start timeout=120s op stop timeout=180s \\
  op promote timeout=120s op demote timeout=120s \\
  op monitor interval=10s timeout=30s role=Promoted \\
  op monitor interval=11s timeout=30s role=Unpromoted
crm configure clone vm1-ha vm1 meta promotable=true promoted-max=1 \\
  clone-max=2 interleave=true`;

export function manualPage(): string {
  return [
    '.\\" Made from the tables in agent/ by npm run build.',
    '.TH OCF_XEN_REMUS 7 "" "pacemaker-remus" "OCF resource agents"',
    '.SH NAME',
    `ocf_xen_remus \\- ${roff(SHORTDESC)}`,
    '.SH SYNOPSIS',
    `.B /usr/lib/ocf/resource.d/xen/remus\n[${roff([...new Set(ACTIONS.map(({ name }) => name))].join(' | '))}]`,
    '.SH DESCRIPTION',
    roff(LONGDESC).replaceAll('\n\n', '\n.PP\n'),
    '.SH PARAMETERS',
    ...PARAMETERS.map(parameterEntry),
    '.SH ACTIONS',
    ...ACTIONS.map(actionEntry),
    '.SH EXIT CODES',
    ...OUTCOMES.map(({ code, name, meaning }) => `.TP\n.B ${code} ${name}\n${roff(meaning)}`),
    '.SH EXAMPLE',
    `.nf\n${roff(EXAMPLE)}\n.fi`,
    '.SH SEE ALSO',
    roff('remusctl --help, remusd --help, crm_mon(8), pacemaker(7), xl.cfg(5)'),
    '',
  ].join('\n');
}
