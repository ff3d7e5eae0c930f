/** The agent's metadata: XML for Pacemaker and its tools. Made from the tables. */
import { ACTIONS, type Action } from './actions.js';
import { allowed, PARAMETERS, type Parameter, type ParameterKind } from './parameters.js';

export const AGENT_VERSION = '0.1.0';

export const SHORTDESC = 'Xen VM with a live replica of its memory on another node (Remus)';

export const LONGDESC = `Runs a Xen VM under Pacemaker, with a replica of its memory on a second node that follows the VM several times a second
(Xen's Remus). When the VM's node dies, the replica goes on where the last checkpoint left off: the VM loses a second or
two, not its memory, and its clients never see it go back in time.

Use it as a promotable clone with promoted-max=1 and clone-max=2. Promoted is the node where the VM runs, Unpromoted the
node that holds its replica. The daemon remusd must run on both nodes (systemctl enable --now remusd), and the cluster
must have working fencing.

A monitor that finds the VM running without protection, or a backup without a usable replica, says so with Pacemaker's
"degraded" results (191 and 190): nothing is stopped or moved, and crm_mon shows the reason. "remusctl status" shows more.`;

/**
 * Makes OCF 1.1 metadata valid for ocf-tester too: its DTD is older than unique-group, reloadable and reload-agent,
 * and the first declaration of an attribute wins.
 */
const DOCTYPE = `<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd" [
<!ATTLIST parameter unique-group CDATA #IMPLIED reloadable (0|1) #IMPLIED>
<!ATTLIST action name CDATA #REQUIRED>
]>`;

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** Wrap at spaces, for people who read the XML. */
function wrap(text: string, width = 100): string {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
}

function contentType(kind: ParameterKind['kind']): string {
  // `select` with options is in OCF 1.1, but not in the DTD: the choices stand in the description.
  return kind === 'integer' || kind === 'boolean' ? kind : 'string';
}

function parameterXml(parameter: Parameter): string {
  const flags = [
    `name="${parameter.name}"`,
    // pcs reads unique-group, crmsh still reads unique.
    ...(parameter.unique ? [`unique-group="${parameter.name}" unique="1"`] : []),
    ...(parameter.required ? ['required="1"'] : []),
    ...(parameter.reloadable ? ['reloadable="1"'] : []),
  ];
  const preset =
    parameter.default === undefined ? '' : ` default="${escapeXml(parameter.default)}"`;
  return `<parameter ${flags.join(' ')}>
<longdesc lang="en">
${escapeXml(wrap(`${parameter.longdesc} Must be ${allowed(parameter)}.`))}
</longdesc>
<shortdesc lang="en">${escapeXml(parameter.shortdesc)}</shortdesc>
<content type="${contentType(parameter.kind)}"${preset} />
</parameter>`;
}

function actionXml(action: Action): string {
  const monitor = action.monitor;
  const rest =
    monitor === undefined
      ? ''
      : ` interval="${monitor.interval_s}s" depth="0" role="${monitor.role}"`;
  return `<action name="${action.name}" timeout="${action.timeout_s}s"${rest} />`;
}

/** @returns the whole XML document, ending with a newline. */
export function metadataXml(): string {
  return `<?xml version="1.0"?>
${DOCTYPE}
<resource-agent name="remus" version="${AGENT_VERSION}">
<version>1.1</version>

<longdesc lang="en">
${escapeXml(LONGDESC)}
</longdesc>
<shortdesc lang="en">${escapeXml(SHORTDESC)}</shortdesc>

<parameters>

${PARAMETERS.map(parameterXml).join('\n\n')}

</parameters>

<actions>
${ACTIONS.map(actionXml).join('\n')}
</actions>
</resource-agent>
`;
}
