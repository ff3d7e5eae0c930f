/** The agent's manual page, ocf_xen_remus(7), from the same tables as its metadata and its validation. */
import { ACTIONS, type Action } from './actions.js';
import { LONGDESC, SHORTDESC } from './metadata.js';
import { OUTCOMES } from './outcomes.js';
import { allowed, PARAMETERS, type Parameter } from './parameters.js';
import { entry, example, paragraphs, roff, section } from './roff.js';

function parameterEntry(parameter: Parameter): string {
  const facts = [
    `must be ${allowed(parameter)}`,
    parameter.required ? 'required' : `default: ${parameter.default ?? 'none'}`,
    parameter.reloadable ? 'can change while the VM runs' : '',
  ].filter((fact) => fact !== '');
  return entry(parameter.name, `${parameter.longdesc}\n(${facts.join('; ')})`);
}

function actionEntry({ name, timeout_s, monitor }: Action): string {
  const when = monitor === undefined ? '' : ` interval=${monitor.interval_s}s role=${monitor.role}`;
  return entry(name, `timeout=${timeout_s}s${when}`);
}

const EXAMPLE = `crm configure primitive vm1 ocf:xen:remus params config=/etc/xen/vm1.cfg \\
  op start timeout=120s op stop timeout=180s \\
  op promote timeout=120s op demote timeout=120s \\
  op monitor interval=10s timeout=30s role=Promoted \\
  op monitor interval=11s timeout=30s role=Unpromoted
crm configure clone vm1-ha vm1 meta promotable=true promoted-max=1 \\
  clone-max=2 interleave=true failure-timeout=2min`;

export function manualPage(): string {
  const actions = [...new Set(ACTIONS.map(({ name }) => name))].join(' | ');
  return [
    '.\\" Made from the tables in agent/ by npm run build.',
    '.TH OCF_XEN_REMUS 7 "" "pacemaker-remus" "OCF resource agents"',
    section('NAME', `ocf_xen_remus \\- ${roff(SHORTDESC)}`),
    section('SYNOPSIS', `.B /usr/lib/ocf/resource.d/xen/remus\n[${roff(actions)}]`),
    section('DESCRIPTION', paragraphs(LONGDESC)),
    section('PARAMETERS', ...PARAMETERS.map(parameterEntry)),
    section('ACTIONS', ...ACTIONS.map(actionEntry)),
    section(
      'EXIT CODES',
      ...OUTCOMES.map(({ code, name, meaning }) => entry(`${code} ${name}`, meaning)),
    ),
    section('EXAMPLE', example(EXAMPLE)),
    section('SEE ALSO', roff('remusctl(8), remusd(8), crm_mon(8), pacemakerd(8), xl.cfg(5)')),
    '',
  ].join('\n');
}
