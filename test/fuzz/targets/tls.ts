/** The port on which remusd listens for peers: before the handshake, for anybody, and after it, for a peer. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connectTls } from '../../../daemon/adapters/peer-tls.js';
import { encodeHello } from '../../../daemon/stream/hello.js';
import type { Random } from '../../simulator/random.js';
import type { DaemonStand } from '../../support/daemon-stand.js';
import { say, type Heard } from '../connection.js';
import { mutatedJson } from '../mutate-json.js';
import { mutated, type Pieces } from '../mutate.js';
import { must, mustBeSentence, outline } from '../target.js';
import { DaemonTarget } from './daemon.js';

const CLIENT_HELLO = join(import.meta.dirname, '../../../../test/fixtures/tls/client-hello.bin');
const QUIET_MS = 15;
const PATIENCE_MS = 400;
const CONNECT_MS = 10_000;
const LAST_ID = 4_000_001;
const WRONG_HELLO = 0.2;
const STILL_JSON = 0.7;

const line = (message: object): Buffer => Buffer.from(`${JSON.stringify(message)}\n`);
const HELLO = line({ remus_control: 1, release: '0.1.0', node: 'pm2' });
const STATUS = line({ id: LAST_ID, method: 'status', params: {} });
const answered = ({ text }: Heard): boolean => text.includes(`"id":${LAST_ID}`);

/** A peer that does everything right. */
async function wellAsked(stand: DaemonStand): Promise<void> {
  const right = Buffer.concat([HELLO, STATUS]);
  const { text } = await say(await asPeer(stand), right, CONNECT_MS, answered);
  must(
    text.includes(`{"id":${LAST_ID},"ok":{"vms":[`),
    `a right question is answered with ${text}`,
  );
}

function asPeer({ peer, port, fingerprint }: DaemonStand): ReturnType<typeof connectTls> {
  const where = { host: '127.0.0.1', port, expect: fingerprint };
  return connectTls({ identity: peer, ...where, timeout_ms: CONNECT_MS });
}

export class TlsBeforeTarget extends DaemonTarget {
  readonly #corpus: readonly Pieces[];

  constructor() {
    super();
    const hello = readFileSync(CLIENT_HELLO);
    // The record's header, the handshake's, version and random, and the rest in pieces of 16.
    const cuts = [0, 5, 9, 43];
    for (let at = 44; at < hello.length; at += 16) cuts.push(at);
    cuts.push(hello.length);
    this.#corpus = [
      cuts.slice(1).map((end, i) => hello.subarray(cuts[i], end)),
      [hello, Buffer.from('140303000101', 'hex'), Buffer.from('1703030010'.padEnd(42, 'a'), 'hex')],
      [Buffer.from('15030300020228', 'hex')],
      [Buffer.from('GET /metrics HTTP/1.1\r\nHost: pm1\r\n\r\n')],
      [HELLO, STATUS],
      [
        encodeHello({
          role: 'sender',
          release: '0.1.0',
          resource: 'vm1',
          generation: 1,
          session: 'ab12',
        }),
      ],
    ];
  }

  make(random: Random): Buffer {
    return mutated(random, this.#corpus);
  }

  protected async talk(input: Buffer, stand: DaemonStand): Promise<string> {
    const socket = connect(stand.port, '127.0.0.1');
    socket.on('error', () => undefined);
    const { text, closed } = await say(socket, input, QUIET_MS);
    must(!text.includes('remus_control'), 'it speaks with one who has proven nothing');
    await wellAsked(stand);
    return `${closed ? 'closed' : 'open'}, ${text === '' ? 'silent' : `record ${text.charCodeAt(0)}`}`;
  }
}

const replica = { generation: 3, session: 'ab12cd34' };
const REQUESTS: readonly [string, object][] = [
  [
    'prepare',
    {
      resource: 'vm1',
      replica,
      domain: 'guest1',
      config_digest: 'aa',
      xen: { major: 4, minor: 20 },
    },
  ],
  ['drop', { resource: 'vm1', replica, paused: false }],
  ['paused', { resource: 'vm1', generation: 3, paused: true }],
  ['activated', { resource: 'vm1', generation: 3 }],
  ['switchover', { resource: 'vm1', to: 'pm2', timeout_ms: 1000 }],
  ['foresee', { resource: 'vm1', to: 'pm2' }],
  ['drill', { resource: 'vm1', part: 'replica', from: 'pm2' }],
  ['pause', { resource: 'vm1', timeout_ms: 1000 }],
  ['resume', { resource: 'vm1', timeout_ms: 1000 }],
  ['history', { resource: 'vm1', limit: 10 }],
  ['status', {}],
];

function request(random: Random): Buffer {
  const [method, params] = random.pick(REQUESTS);
  if (random.chance(0.9)) return line({ id: 1, method, params: mutatedJson(random, params) });
  return Buffer.from(`${JSON.stringify(mutatedJson(random, { id: 1, method, params }))}\n`);
}

export class TlsAfterTarget extends DaemonTarget {
  readonly #corpus: readonly Pieces[];

  constructor() {
    super();
    const lines = REQUESTS.map(([method, params], id) => line({ id, method, params }));
    this.#corpus = [
      [HELLO, ...lines, STATUS],
      ...lines.map((one) => [HELLO, one, STATUS]),
      [HELLO, Buffer.alloc(70_000, 0x20), STATUS],
      [HELLO, ...Array.from({ length: 50 }, () => STATUS)],
    ];
  }

  /** Who gets no further than the hello says nothing new. */
  make(random: Random): Buffer {
    if (random.chance(WRONG_HELLO)) return mutated(random, this.#corpus);
    if (random.chance(STILL_JSON)) return Buffer.concat([HELLO, request(random), STATUS]);
    const said = mutated(
      random,
      this.#corpus.map((one) => one.slice(1)),
    );
    return Buffer.concat([HELLO, said]);
  }

  protected async talk(input: Buffer, stand: DaemonStand): Promise<string> {
    if ((await stand.agent('monitor')).rc !== 0) await stand.agent('start');
    const { text, closed } = await say(await asPeer(stand), input, PATIENCE_MS, answered);
    const outcome = judgeLines(text);
    await wellAsked(stand);
    return `${closed ? 'closed' : 'open'}, ${outcome}`;
  }
}

function judgeLines(text: string): string {
  let last = 'nothing said';
  for (const one of text.split('\n').slice(0, -1)) {
    const message = JSON.parse(one) as { error?: { code: string; sentence: string } };
    if (message.error === undefined) continue;
    mustBeSentence(message.error.sentence);
    last = `${message.error.code}: ${outline(message.error.sentence)}`;
  }
  return last;
}
