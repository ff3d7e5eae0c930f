/** The Cluster port: Pacemaker's own command line tools and their XML. */
import { stat } from 'node:fs/promises';
import type {
  Cluster,
  ClusterStatus,
  Exec,
  ExecResult,
  PlannedPromotion,
  StatusInCib,
} from '../ports.js';
import { promotionScore } from '../core/policy.js';
import { AdapterError, errnoWords, oneLine } from './errors.js';
import {
  MAX_XML_BYTES,
  PacemakerRubbish,
  parseAttributes,
  parseCrmMon,
  parseNvpair,
  parsePlannedPromotion,
  parsePromoted,
} from './pacemaker-xml.js';

export type ClusterErrorCode =
  | 'missing' // the tool is not installed
  | 'not-running' // Pacemaker is not running on this node, or the node asked is not a member
  | 'no-quorum' // the CIB takes no writes
  | 'timeout'
  | 'rubbish' // the tool printed something else than it prints
  | 'refused'; // the tool said no

export class ClusterError extends AdapterError<ClusterErrorCode> {}

export interface ClusterTimeouts {
  /** Each call of a tool, in milliseconds. */
  readonly call_ms: number;
  /** Fencing a node, in milliseconds. */
  readonly fence_ms: number;
}

const DEFAULTS: ClusterTimeouts = { call_ms: 15_000, fence_ms: 120_000 };
const RECORD_SET = 'remus-records';
const CRM_CONFIG = '/cib/configuration/crm_config';
const RECORDS = `cluster_property_set[@id='${RECORD_SET}']`;
const MAX_VALUE = 1024;
/** Pacemaker writes it anew whenever the configuration has changed, and not when only the status has. */
const CIB_FILE = '/var/lib/pacemaker/cib/cib.xml';

/** Pacemaker's exit codes (crm_exit_t) that mean something to us. */
const EX_NOINPUT = 66;
const EX_CONFIG = 78;
const EX_DISCONNECT = 102;
const EX_NOSUCH = 105;
const EX_QUORUM = 106;
const EX_TIMEOUT = 124;
const NOT_RUNNING =
  /(not connected|connection (refused|failed|to .* failed)|could not connect|cluster is not (available|running)|transport endpoint|no such device or address.*connect|not running)/i;

/** Deadlines from REMUS_CLUSTER_TIMEOUT_MS and REMUS_FENCE_TIMEOUT_MS. */
export function clusterTimeouts(
  env: Readonly<Record<string, string | undefined>>,
): ClusterTimeouts {
  const read = (name: string, otherwise: number): number => {
    const value = Number(env[name]);
    return Number.isFinite(value) && value > 0 ? value : otherwise;
  };
  return {
    call_ms: read('REMUS_CLUSTER_TIMEOUT_MS', DEFAULTS.call_ms),
    fence_ms: read('REMUS_FENCE_TIMEOUT_MS', DEFAULTS.fence_ms),
  };
}

/** What became of one call of a tool, judged: an error or null. */
export function judge(result: ExecResult): ClusterError | null {
  if (result.code === 0) return null;
  const { argv, code, signal, timed_out, duration_ms } = result;
  const tool = argv[0] ?? '';
  const said =
    oneLine(result.stderr, 300) || `it gave no reason, exit code ${String(code ?? signal)}`;
  const error = (kind: ClusterErrorCode, message: string, sentence: string): ClusterError =>
    new ClusterError(kind, message, sentence, { argv, code, signal, timed_out, duration_ms, said });
  if (result.spawn_error !== undefined) {
    const sentence = `${tool} cannot be started (${errnoWords(result.spawn_error)}): install pacemaker and pacemaker-cli-utils`;
    return error('missing', 'cluster tool is missing', sentence);
  }
  if (timed_out || code === EX_TIMEOUT) {
    const sentence = `${tool} gave no answer within ${duration_ms} ms; look at "crm_mon -1" and "systemctl status pacemaker"`;
    return error('timeout', 'cluster tool gave no answer', sentence);
  }
  if (code === EX_QUORUM) {
    const sentence = `the cluster takes no changes without quorum: ${said}; look at "corosync-quorumtool"`;
    return error('no-quorum', 'no quorum', sentence);
  }
  if (code === EX_DISCONNECT || code === EX_NOINPUT || NOT_RUNNING.test(said)) {
    const by = result.stderr.trim() === '' ? `${tool} says so` : `${tool}: ${said}`;
    const sentence = `Pacemaker is not running on this node (${by}); start it with "systemctl start pacemaker"`;
    return error('not-running', 'Pacemaker is not running', sentence);
  }
  return error('refused', 'cluster tool failed', `"${argv.join(' ')}" failed: ${said}`);
}

/** Ids become part of an XPath and of arguments: only what Pacemaker's schema has as an id. */
function checkedId(kind: string, id: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_.-]{0,199}$/.test(id)) return id;
  const sentence = `"${id}" cannot be a ${kind}'s name`;
  throw new ClusterError('refused', 'impossible name', sentence, { kind, id });
}

function checkedValue(value: string): string {
  // eslint-disable-next-line no-control-regex
  if (value.length <= MAX_VALUE && !/[\u0000-\u001f]/.test(value)) return value;
  const sentence = 'a value for the cluster is too long or has control characters';
  throw new ClusterError('refused', 'impossible value', sentence, { value: value.slice(0, 100) });
}

function xmlText(text: string): string {
  return text.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
}

/** The property that has an operator's pause of a VM. */
function pauseOf(resource: string): string {
  return `remus-paused-${checkedId('resource', resource)}`;
}

/** As a condition of XPath, whatever somebody has typed: its strings know no escapes. */
function valueIs(text: string): string {
  if (text === '') return "(not(@value) or @value='')";
  if (!text.includes("'")) return `@value='${text}'`;
  if (!text.includes('"')) return `@value="${text}"`;
  return `@value=concat('${text.replaceAll("'", `',"'",'`)}')`;
}

/** What the tools can do beyond the port. */
export interface PacemakerCluster extends Cluster {
  /**
   * Take "degraded" out of the resource's history on a node: Pacemaker shows a monitor's 190 or 191 for ever, also
   * when the next one is healthy. Removes nothing but such an entry, and runs nothing.
   */
  clearDegraded(resource: string, node: string): Promise<void>;
}

class PacemakerByTools implements PacemakerCluster {
  readonly #exec: Exec;
  readonly #timeouts: ClusterTimeouts;
  readonly #cibFile: string;
  #localNode: string | undefined;
  /** What is taken out of the history by cibadmin comes back at once. */
  #historyIsPutBack = false;

  constructor(exec: Exec, timeouts: ClusterTimeouts, cibFile: string) {
    this.#exec = exec;
    this.#timeouts = timeouts;
    this.#cibFile = cibFile;
  }

  #run(argv: readonly string[], timeout_ms = this.#timeouts.call_ms): Promise<ExecResult> {
    // One byte more than the bound, so that cut-off output is seen as too large.
    return this.#exec.run(argv, { timeout_ms, max_output_bytes: MAX_XML_BYTES + 1 });
  }

  async #call(argv: readonly string[], timeout_ms?: number): Promise<string> {
    const result = await this.#run(argv, timeout_ms);
    const error = judge(result);
    if (error) throw error;
    return result.stdout;
  }

  /** Run a query; a "there is no such thing" becomes null. */
  async #query(argv: readonly string[], ...missing: readonly number[]): Promise<string | null> {
    const result = await this.#run(argv);
    if (result.code !== null && missing.includes(result.code)) return null;
    const error = judge(result);
    if (error) throw error;
    return result.stdout;
  }

  async #understood<T>(argv: readonly string[], parsing: Promise<T>): Promise<T> {
    try {
      return await parsing;
    } catch (error) {
      if (!(error instanceof PacemakerRubbish)) throw error;
      const what = error.message;
      const sentence = `"${argv.join(' ')}" printed something unexpected: ${what}`;
      throw new ClusterError('rubbish', 'unexpected output', sentence, { argv, what });
    }
  }

  async localNode(): Promise<string> {
    if (this.#localNode !== undefined) return this.#localNode;
    const argv = ['crm_node', '-n'];
    const name = (await this.#call(argv)).trim();
    if (!/^[^\s/]{1,255}$/.test(name)) {
      const sentence = `"crm_node -n" printed no node name: "${oneLine(name, 100)}"`;
      throw new ClusterError('rubbish', 'no node name', sentence, { argv });
    }
    // A node cannot change its name while the cluster runs.
    this.#localNode = name;
    return name;
  }

  async status(): Promise<ClusterStatus> {
    // Resources and history are what grows; they are not needed here.
    const argv = ['crm_mon', '-1', '--output-as=xml', '--include=none,dc,options,nodes'];
    return this.#understood(argv, parseCrmMon(await this.#call(argv)));
  }

  async readRecord(resource: string, at: 'dc' | { readonly node: string }): Promise<string | null> {
    const name = `remus-record-${checkedId('resource', resource)}`;
    return this.#readProperty(name, at === 'dc' ? await this.#dc() : at.node);
  }

  async #readProperty(name: string, node: string): Promise<string | null> {
    const xpath = `${CRM_CONFIG}/${RECORDS}/nvpair[@name='${name}']`;
    // A plain query is answered by this node's own CIB: whose answer it is must be said.
    const argv = ['cibadmin', '--query', '--xpath', xpath, '--node', node, ...this.#cibTimeout()];
    const text = await this.#query(argv, EX_NOSUCH);
    return text === null ? null : this.#understood(argv, parseNvpair(text, name));
  }

  /** A node that is gone or hung never answers; cibadmin's own deadline (whole seconds, default 30) comes before ours. */
  #cibTimeout(): readonly string[] {
    const seconds = Math.max(1, Math.min(5, Math.floor(this.#timeouts.call_ms / 1000) - 1));
    return ['--timeout', String(seconds)];
  }

  async #dc(): Promise<string> {
    const { dc } = await this.status();
    if (dc !== null) return dc;
    const sentence = 'the cluster has no DC at the moment; look at "crm_mon -1"';
    throw new ClusterError('not-running', 'no DC', sentence);
  }

  /**
   * One operation of cibadmin whose XPath holds the condition. Each node carries it out at the same place in the order of all
   * writes; measured on 2.1.5 and 3.0: exit code 105 where the XPath finds nothing, and of two at once exactly one wins.
   */
  async swapRecord(resource: string, before: string | null, value: string): Promise<boolean> {
    const name = `remus-record-${checkedId('resource', resource)}`;
    const text = xmlText(checkedValue(value));
    const pair = `<nvpair id="${RECORD_SET}-${name}" name="${name}" value="${text}"/>`;
    const change =
      before === null
        ? [
            ...['--modify', '--xpath', `${CRM_CONFIG}[not(${RECORDS}/nvpair[@name='${name}'])]`],
            '--xml-text',
            `<crm_config><cluster_property_set id="${RECORD_SET}">${pair}</cluster_property_set></crm_config>`,
          ]
        : [
            ...[
              '--replace',
              '--xpath',
              `${CRM_CONFIG}/${RECORDS}/nvpair[@name='${name}' and ${valueIs(before)}]`,
            ],
            ...['--xml-text', pair],
          ];
    return (await this.#query(['cibadmin', ...change, ...this.#cibTimeout()], EX_NOSUCH)) !== null;
  }

  async revision(): Promise<string | null> {
    try {
      const { ino, mtimeNs } = await stat(this.#cibFile, { bigint: true });
      return `${ino} ${mtimeNs}`;
    } catch {
      return null;
    }
  }

  async readPause(resource: string, at: string): Promise<string | null> {
    const text = await this.#readProperty(pauseOf(resource), at === 'dc' ? await this.#dc() : at);
    return text === 'false' ? null : text;
  }

  async writePause(resource: string, text: string | null): Promise<void> {
    const name = pauseOf(resource);
    const where = ['--type', 'crm_config', '--set-name', RECORD_SET, '--name', name];
    if (text !== null)
      await this.#call(['crm_attribute', ...where, `--update=${checkedValue(text)}`]);
    // Deleting what is not there is done.
    else await this.#query(['crm_attribute', ...where, '--delete'], EX_NOSUCH);
  }

  /** As in `swapRecord` the condition is in the operation: a pause that was written meanwhile stays. */
  async endPause(resource: string, text: string): Promise<void> {
    const pair = `nvpair[@name='${pauseOf(resource)}' and ${valueIs(text)}]`;
    const xpath = `${CRM_CONFIG}/${RECORDS}/${pair}`;
    await this.#query(['cibadmin', '--delete', '--xpath', xpath, ...this.#cibTimeout()], EX_NOSUCH);
  }

  async setAttribute(node: string, name: string, value: string | null): Promise<void> {
    const change = value === null ? '--delete' : `--update=${checkedValue(value)}`;
    await this.#call(['attrd_updater', '--node', node, '--name', name, change]);
  }

  async attribute(name: string): Promise<ReadonlyMap<string, string>> {
    const argv = ['attrd_updater', '--query', '--all', '--name', name, '--output-as=xml'];
    // 2.1 says "configuration error" for an attribute that nobody has.
    const text = await this.#query(argv, EX_CONFIG, EX_NOSUCH);
    return text === null ? new Map() : this.#understood(argv, parseAttributes(text));
  }

  async setPromotionScore(resource: string, node: string, score: number | null): Promise<void> {
    const which = `--promotion=${checkedId('resource', resource)}`;
    const change = score === null ? '--delete' : `--update=${score}`;
    const argv = ['crm_attribute', which, '--node', node, '--lifetime', 'reboot', change];
    // Deleting what is not there is done.
    if (score === null) await this.#query(argv, EX_NOSUCH);
    else await this.#call(argv);
  }

  async hasPromotionScore(resource: string, node: string, at?: 'dc'): Promise<boolean> {
    if (at === 'dc') return this.#scoreAtDc(checkedId('resource', resource), node);
    const which = `--promotion=${checkedId('resource', resource)}`;
    const place = ['--node', checkedId('node', node), '--lifetime', 'reboot'];
    const argv = ['crm_attribute', which, ...place, '--query', '--quiet'];
    return (await this.#query(argv, EX_NOSUCH)) !== null;
  }

  /** crm_attribute asks this node's own CIB, and the DC decides by its own. */
  async #scoreAtDc(resource: string, node: string): Promise<boolean> {
    const of = `/cib/status/node_state[@uname='${checkedId('node', node)}']/transient_attributes`;
    const xpath = `${of}//nvpair[@name='${promotionScore(resource)}']`;
    const where = ['--node', await this.#dc(), ...this.#cibTimeout()];
    const argv = ['cibadmin', '--query', '--xpath', xpath, ...where];
    return (await this.#query(argv, EX_NOSUCH)) !== null;
  }

  /** One call for both: it is made every few seconds. */
  async statusInCib(node: string, name: string): Promise<StatusInCib> {
    const of = `/cib/status/node_state[@uname='${checkedId('node', node)}']`;
    const attribute = `${of}/transient_attributes//nvpair[@name='${name}']`;
    const ours = `${of}//lrm_resource[@provider='xen' and @type='remus']`;
    const degraded = `${ours}/lrm_rsc_op[contains(@id, '_last_failure_0') and (@rc-code='190' or @rc-code='191')]`;
    const query = ['cibadmin', '--query', '--local', '--xpath', `${attribute} | ${degraded}`];
    const text = (await this.#query([...query, ...this.#cibTimeout()], EX_NOSUCH)) ?? '';
    const failed = [...text.matchAll(/ id="([^"]+)_last_failure_0"/g)].map(([, id]) => id ?? '');
    return { attribute: text.includes('<nvpair '), degraded: new Set(failed) };
  }

  async resendAttributes(): Promise<void> {
    await this.#call(['attrd_updater', '--refresh']);
  }

  async promotedOn(resource: string): Promise<readonly string[]> {
    const argv = ['crm_mon', '-1', '--output-as=xml', '--include=none,resources'];
    return this.#understood(argv, parsePromoted(await this.#call(argv), resource));
  }

  async plannedPromotion(resource: string): Promise<PlannedPromotion> {
    const argv = ['crm_simulate', '--live-check', '--simulate', '--output-as=xml'];
    const text = await this.#call(argv);
    const planned = await this.#understood(argv, parsePlannedPromotion(text, resource));
    if (planned) return planned;
    const sentence = `the cluster has no resource ${resource}; look at "crm_resource --list"`;
    throw new ClusterError('refused', 'no such resource', sentence, { resource });
  }

  /** crm_resource takes no reason: the caller logs it and puts it into the attribute. */
  async fail(resource: string, node: string): Promise<void> {
    const id = checkedId('resource', resource);
    await this.#call(['crm_resource', '--fail', '--resource', id, '--node', node]);
  }

  async clearDegraded(resource: string, node: string): Promise<void> {
    this.#historyIsPutBack ||= isPutBack((await this.status()).dc_version);
    if (this.#historyIsPutBack) return;
    const id = checkedId('resource', resource);
    const history = `//node_state[@uname='${checkedId('node', node)}']//lrm_resource[@id='${id}']`;
    const degraded = `@id='${id}_last_failure_0' and (@rc-code='190' or @rc-code='191')`;
    const xpath = `${history}/lrm_rsc_op[${degraded}]`;
    await this.#query(['cibadmin', '--delete', '--xpath', xpath, ...this.#cibTimeout()], EX_NOSUCH);
  }

  async fence(node: string): Promise<void> {
    const { fence_ms } = this.#timeouts;
    // The tool's own timeout comes first, so that its reason is heard.
    const seconds = Math.max(1, Math.floor((fence_ms * 0.9) / 1000));
    const argv = ['stonith_admin', '--reboot', node, '--timeout', String(seconds)];
    try {
      await this.#call(argv, fence_ms);
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      const sentence = `fencing ${node} did not succeed: ${error.sentence}; look at "stonith_admin --history ${node}"`;
      throw new ClusterError(error.code, 'fencing failed', sentence, { ...error.detail, node });
    }
  }
}

/** The real Cluster port. */
/**
 * A later controller answers any change of the status section that is not by one of Pacemaker's own tools with an election, in which
 * every node puts its history back (seen on 3.0.0: do_cib_updated, "starting an election ... triggered by cibadmin"). There
 * the resource's failure-timeout takes it out. Of what lies between the two that were tried nothing is known.
 */
const NOT_PUT_BACK = '2.1.5';

function isPutBack(version: string | null): boolean {
  const [number] = /^\d+\.\d+\.\d+/.exec(version ?? '') ?? [];
  return number === undefined || number.localeCompare(NOT_PUT_BACK, 'en', { numeric: true }) > 0;
}

export function createCluster(
  exec: Exec,
  timeouts: ClusterTimeouts = clusterTimeouts(process.env),
  cibFile = CIB_FILE,
): PacemakerCluster {
  return new PacemakerByTools(exec, timeouts, cibFile);
}
