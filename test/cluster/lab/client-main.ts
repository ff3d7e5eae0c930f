// The outside client's process, started in the client's network namespace:
//   client-main.js [--to IP] [--id ID] [--every MS] [--log FILE]
// It speaks JSON lines: commands on stdin {"do":"report"} {"do":"mark","name":"x"} {"do":"say","word":"poweroff"}, each
// answered by one line on stdout. SIGUSR1 prints a report as well. It ends with its stdin.
import { createSocket } from 'node:dgram';
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { Tally, parseAnswer } from './tally.js';

const PORT = 7000;
const REPEAT_MS = 250;

const { values } = parseArgs({
  options: {
    to: { type: 'string', default: '10.77.2.50' },
    id: { type: 'string', default: `client-${process.pid}` },
    every: { type: 'string', default: '25' },
    log: { type: 'string' },
  },
});
const command = z.discriminatedUnion('do', [
  z.object({ do: z.literal('report') }),
  z.object({ do: z.literal('mark'), name: z.string() }),
  z.object({ do: z.literal('say'), word: z.enum(['poweroff', 'reboot', 'crash']) }),
]);

/** Wall clock with the monotonic clock's steadiness. */
const origin_ms = Date.now() - performance.now();
const now = (): number => origin_ms + performance.now();

const socket = createSocket('udp4');
const tally = new Tally(now());
let n = 0;
let waiting = false;
let repeat: NodeJS.Timeout | undefined;

function log(event: Record<string, unknown>): void {
  if (values.log !== undefined) {
    appendFileSync(
      values.log,
      `${JSON.stringify({ at: new Date(now()).toISOString(), ...event })}\n`,
    );
  }
}

function send(text: string): void {
  socket.send(text, PORT, values.to); // an unreachable network is silence like any other
}

function ask(): void {
  tally.sent(n, now());
  send(`ask ${values.id} ${n}`);
  repeat = setTimeout(ask, REPEAT_MS);
}

socket.on('error', () => undefined);
socket.on('message', (message) => {
  const answer = parseAnswer(message.toString('utf8'), values.id);
  if (answer === undefined) return;
  const at_ms = now();
  if (!tally.heard(answer, at_ms)) return;
  log({ event: 'answer', ...answer });
  clearTimeout(repeat);
  waiting = false;
});
setInterval(() => {
  if (waiting) return;
  waiting = true;
  n++;
  ask();
}, Number(values.every));

function report(): void {
  const summary = tally.summary(now());
  process.stdout.write(`${JSON.stringify(summary)}\n`);
  log({ event: 'report', ...summary });
}

function obey(line: string): void {
  const parsed = command.safeParse(JSON.parse(line));
  if (!parsed.success) {
    process.stdout.write(`${JSON.stringify({ error: 'what?', line })}\n`);
    return;
  }
  if (parsed.data.do === 'mark') tally.mark(parsed.data.name, now());
  if (parsed.data.do === 'say') send(parsed.data.word);
  log({ event: parsed.data.do });
  report();
}

process.on('SIGUSR1', report);
createInterface({ input: process.stdin })
  .on('line', obey)
  .on('close', () => process.exit(0));
socket.bind(0, () => process.stdout.write(`${JSON.stringify({ ready: true })}\n`));
