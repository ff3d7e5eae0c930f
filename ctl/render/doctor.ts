/** The doctor's report for people: each finding with why it matters and what to type. Pure. */
import type { Finding, Report, Severity } from '../doctor.js';
import type { Paint, Palette } from './paint.js';
import { wrap } from './text.js';

const width = 88;
const indent = '         ';
const labels: Readonly<Record<Severity, string>> = {
  error: 'ERROR',
  warning: 'WARNING',
  note: 'NOTE',
};

export function doctorScreen(report: Report, palette: Palette): string {
  const blocks = report.findings.map((finding) => block(finding, palette));
  return `${[...blocks, summary(report, palette)].join('\n\n')}\n`;
}

function block(finding: Finding, palette: Palette): string {
  const label = labels[finding.severity];
  const lines = [
    `${paintOf(finding.severity, palette)(label)}${indent.slice(label.length)}${palette.strong(hung(finding.what))}`,
    `${indent}${hung(finding.why)}`,
  ];
  lines.push(...commands(finding, palette));
  if (finding.advice !== undefined) lines.push(`${indent}${hung(finding.advice)}`);
  return lines.join('\n');
}

/** Never broken: they are to be copied. */
function commands({ fix, on }: Finding, palette: Palette): string[] {
  const title = `${indent}do${on === undefined ? '' : ` on ${on}`}:`;
  const strong = fix.map((command) => palette.strong(command));
  if (strong.length < 2) return strong.map((command) => `${title} ${command}`);
  return [title, ...strong.map((command) => `${indent}  ${command}`)];
}

function hung(text: string): string {
  return wrap(text, width - indent.length).replaceAll('\n', `\n${indent}`);
}

function paintOf(severity: Severity, palette: Palette): Paint {
  return { error: palette.bad, warning: palette.warn, note: palette.faint }[severity];
}

function summary(report: Report, palette: Palette): string {
  const counted = (['error', 'warning', 'note'] as const).flatMap((severity) => {
    const count = report.findings.filter((finding) => finding.severity === severity).length;
    return count === 0 ? [] : [`${count} ${severity}${count === 1 ? '' : 's'}`];
  });
  const found = counted.length === 0 ? palette.good('Nothing found') : counted.join(', ');
  const nodes = report.nodes.join(', ');
  const vms = report.vms.length === 0 ? 'no VM yet' : report.vms.join(', ');
  const looked = `${found}. ${report.checks} checks of ${nodes === '' ? 'no node' : nodes}; ${vms}.`;
  const not = report.unchecked.map((text) => palette.warn(`Not looked at: ${hung(text)}.`));
  return [
    looked,
    ...not,
    palette.faint(`Seen from ${report.node}, release ${report.release}.`),
  ].join('\n');
}
