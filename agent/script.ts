/**
 * The parts of the shell agent that come from the tables. The agent is one file that works without Node, so
 * they are written into it between markers when the project is built.
 */
import { metadataXml } from './metadata.js';
import { allowed, PARAMETERS, type Parameter } from './parameters.js';

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function defaultLine(parameter: Parameter): string {
  return `\t: "\${OCF_RESKEY_${parameter.name}:=${parameter.default ?? ''}}"`;
}

function checkLine(parameter: Parameter): string {
  const { name } = parameter;
  const start = `\tcheck_${parameter.kind} ${name} "$OCF_RESKEY_${name}" ${shellQuoted(allowed(parameter))}`;
  switch (parameter.kind) {
    case 'integer':
      return `${start} ${parameter.min} ${parameter.max}`;
    case 'choice':
      return `${start} ${shellQuoted(parameter.values.join(' '))}`;
    case 'path':
    case 'name':
    case 'boolean':
      return parameter.required ? `${start} required` : start;
  }
}

function parametersBlock(): string {
  return `known_parameters=${shellQuoted(PARAMETERS.map(({ name }) => name).join(' '))}

set_defaults() {
${PARAMETERS.map(defaultLine).join('\n')}
}

check_parameters() {
${PARAMETERS.map(checkLine).join('\n')}
}

request_parameters() {
${PARAMETERS.map(({ name }) => `\trequest_parameter ${name} "$OCF_RESKEY_${name}"`).join('\n')}
}
`;
}

function metadataBlock(): string {
  return `print_metadata() {
\tcat <<'END'
${metadataXml()}END
}
`;
}

const BLOCKS: Readonly<Record<string, () => string>> = {
  parameters: parametersBlock,
  metadata: metadataBlock,
};

/**
 * Write the generated parts into the script's text.
 * @throws when a pair of markers is missing.
 */
export function embed(script: string): string {
  return Object.entries(BLOCKS).reduce((text, [name, make]) => {
    const begin = `# BEGIN GENERATED ${name}: from agent/parameters.ts, by npm run build\n`;
    const end = `# END GENERATED ${name}\n`;
    const from = text.indexOf(begin);
    const to = text.indexOf(end);
    if (from === -1 || to < from) throw new Error(`The script has no markers for ${name}.`);
    return text.slice(0, from + begin.length) + make() + text.slice(to);
  }, script);
}
