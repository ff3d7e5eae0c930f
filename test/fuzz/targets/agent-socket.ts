/** remusd's control socket, on which the agent and remusctl ask. */
import { connect } from 'node:net';
import { formatRequest } from '../../../daemon/adapters/control-protocol.js';
import type { Random } from '../../simulator/random.js';
import type { DaemonStand } from '../../support/daemon-stand.js';
import { say } from '../connection.js';
import { mutated, TEXTS, type Pieces } from '../mutate.js';
import { must, mustBeSentence, outline } from '../target.js';
import { DaemonTarget } from './daemon.js';

/** Some requests wait for what never comes here: nobody stays with them for long. */
const PATIENCE_MS = 300;
const CONFIG = '/dev/null';
const FIRST = Buffer.from('remus 1\n');
/** Of a request without its first line, or its end, there is little to be said. */
const WRONG_FRAME = 0.2;
const STILL_A_REQUEST = 0.5;
const ONE_LINE = TEXTS.filter((text) => !text.includes('\n'));
type Fields = Readonly<Record<string, string>>;

const AGENT = ['start', 'stop', 'promote', 'demote', 'monitor', 'validate-all', 'reload-agent'];
const OPERATOR = [
  'status',
  'ping',
  'history',
  'switchover',
  'failover',
  'pause',
  'resume',
  'doctor',
  'dump',
];

function requests(): Fields[] {
  const agent = AGENT.map((action) => ({
    action,
    resource: 'vm1',
    timeout_ms: '2000',
    check_level: action === 'validate-all' ? '20' : '0',
    'param.config': CONFIG,
    'param.interval': '200',
    'param.on_no_replica': 'start',
  }));
  const operator = OPERATOR.map((action) => ({
    action,
    resource: 'vm1',
    timeout_ms: '2000',
    to: 'pm2',
    force: '1',
    limit: '10',
    checkpoints: '1',
    records: '1',
    wait_ms: '1000',
  }));
  return [...agent, ...operator];
}

/** A request in good form, with something odd in it. */
function odd(random: Random, fields: Fields): Buffer {
  const entries = Object.entries(fields);
  for (let n = random.between(1, 3); n > 0; n -= 1) {
    const at = random.between(0, entries.length - 1);
    const [name = ''] = entries[at] ?? [];
    const value = random.pick(ONE_LINE);
    const kind = random.next();
    if (kind < 0.2) entries.splice(at, 1);
    else if (kind < 0.4) entries.push([`param.${name}`, value]);
    else if (name !== 'action' || kind < 0.5) entries[at] = [name, value];
  }
  const lines = entries.map(([name, value]) => `${name}=${value}`);
  return Buffer.from(['remus 1', ...lines, '', ''].join('\n'));
}

function inLines(text: string): Pieces {
  return text.split(/(?<=\n)/).map((line) => Buffer.from(line));
}

function withoutFirstLine(input: Buffer): Buffer {
  return input.subarray(input.indexOf(10) + 1);
}

export class AgentSocketTarget extends DaemonTarget {
  readonly #requests = requests();
  readonly #corpus = this.#requests.map((fields) => inLines(formatRequest(fields)));

  /** The path of a configuration that is there cannot be in a kept input: it is put in when it is said. */
  make(random: Random): Buffer {
    if (random.chance(STILL_A_REQUEST)) return odd(random, random.pick(this.#requests));
    const input = mutated(random, this.#corpus);
    if (random.chance(WRONG_FRAME)) return input;
    return Buffer.concat([FIRST, withoutFirstLine(input), Buffer.from('\n\n')]);
  }

  protected async talk(input: Buffer, stand: DaemonStand): Promise<string> {
    const said = Buffer.from(input.toString('latin1').replace(CONFIG, stand.config), 'latin1');
    const socket = connect(stand.socket);
    socket.on('error', () => undefined);
    const { text } = await say(socket, said, PATIENCE_MS, (heard) =>
      heard.text.endsWith('\nend\n'),
    );
    const outcome = judge(text);
    const pong = await stand.ask('ping');
    must(pong.rc === 0, `a right question is answered with ${pong.rc}`);
    return outcome;
  }
}

/** Whole, or nothing, or only progress: the client went too early. */
function judge(text: string): string {
  const lines = text.split('\n');
  const rest = lines.filter((line) => line !== '' && !line.startsWith('progress='));
  const progress = lines.filter((line) => /^progress=./.test(line));
  for (const line of progress) mustBeSentence(line);
  if (rest.length === 0) return 'no answer';
  must(/^rc=\d+$/.test(rest[0] ?? ''), `the answer begins with ${rest[0] ?? ''}`);
  must(rest.at(-1) === 'end', 'the answer has no end');
  const reason = rest.find((line) => line.startsWith('reason=')) ?? '';
  if (reason !== '') mustBeSentence(reason);
  const json = rest.find((line) => line.startsWith('json='));
  if (json !== undefined) JSON.parse(json.slice('json='.length));
  return `${rest[0] ?? ''} ${outline(reason)}`;
}
