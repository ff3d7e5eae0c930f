// The outside listener's process, started on the guests' LAN:
//   listener-main.js [--to IP]
// It hears the guest's unasked words by UDP and by one TCP connection, which it opens once. A line on stdin is answered by a
// line of JSON on stdout, a WordsReport. It ends with its stdin.
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { WordTally, type Way, parseWord } from './words.js';

const UDP_PORT = 7000;
const TCP_PORT = 7001;
/** Between two requests for words, until the first has come. */
const REPEAT_MS = 500;

const { values } = parseArgs({ options: { to: { type: 'string', default: '10.77.2.50' } } });
const tally = new WordTally();

function hear(way: Way, text: string): void {
  const word = parseWord(text);
  if (word === undefined) tally.broken(`not a word on ${way}: ${text}`, Date.now());
  else tally.heard(way, word, Date.now());
}

const udp = createSocket('udp4');
udp.on('error', () => undefined); // an unreachable network is silence like any other
udp.on('message', (message) => hear('udp', message.toString('utf8')));
const asking = setInterval(() => {
  if (tally.report().udp.words > 0) clearInterval(asking);
  else udp.send('listen', UDP_PORT, values.to);
}, REPEAT_MS);

const tcp = connect(TCP_PORT, values.to);
tcp.on('error', (error) => tally.broken(error.message, Date.now()));
tcp.on('end', () => tally.broken('the guest has closed the connection', Date.now()));
createInterface({ input: tcp }).on('line', (line) => hear('tcp', line));

createInterface({ input: process.stdin })
  .on('line', () => process.stdout.write(`${JSON.stringify(tally.report())}\n`))
  .on('close', () => process.exit(0));
