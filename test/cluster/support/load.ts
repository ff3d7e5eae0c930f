/** Traffic that the guest has to answer besides the outside client's, without changing what that one sees. */
import { spawn } from 'node:child_process';
import { labCommand } from '../lab/command.js';
import type { Scenario } from './scenario.js';

/** The same question again and again: the guest repeats its answer, and its count of answers stays as it is. */
const FLOOD = `
const socket = require('node:dgram').createSocket('udp4');
let answers = 0;
socket.on('message', () => answers++ || process.stdout.write('first '));
socket.on('error', () => undefined);
setInterval(() => { for (let i = 0; i < 10; i++) socket.send('ask load 1', 7000, '10.77.2.50'); }, 5);
process.stdin.resume().on('end', () => { process.stdout.write(String(answers)); process.exit(); });
`;

/** Floods the guest while `body` runs; how many answers came. The client's window begins after the flood. */
export async function underLoad(s: Scenario, body: () => Promise<void>): Promise<number> {
  const child = spawn(labCommand(), ['client', process.execPath, '-e', FLOOD], {
    env: { ...process.env, REMUS_LAB: s.lab.dir },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let answers = '';
  child.stdout.on('data', (chunk: Buffer) => (answers += chunk.toString()));
  const first = new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('close', () => reject(new Error('the load has ended')));
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  try {
    // The flood's first question is a new one for the guest, and shows in its count of answers.
    await first;
    await s.untilAnswer();
    await s.client.mark('load');
    await body();
  } finally {
    child.stdin.end();
    await ended;
  }
  return Number(answers.replace('first ', ''));
}
