/**
 * Real Xen: power cuts of the primary at random moments, one after the other, under the ears of two who talk to the guest from
 * outside: one that asks, and one that hears what the guest says unasked, by UDP and by one TCP connection that outlives
 * every failover. What they have heard must never be taken back (P3).
 *
 * With REMUS_XEN_NETBUF=off the output is not held. Then it must be: what never fails proves nothing.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { measure } from '../../cluster/support/measures.js';
import { untilProtected } from '../../cluster/support/observed.js';
import { OutsideListener } from '../support/listener.js';
import { loss } from '../support/loss.js';
import { NETBUF, type XenScenario, leaveXenLab, xenLab, xenScenario } from '../support/scenario.js';
import type { WordsReport } from '../support/words.js';

const CUTS = Number(process.env.REMUS_XEN_CUTS ?? '20');
/** Some checkpoints long: the moment of the cut within one is a matter of luck. */
const MOMENT_MS = 4000;

let listener: OutsideListener | undefined;

function words(): Promise<WordsReport> {
  assert.ok(listener, 'the listener is there');
  return listener.report();
}

/** Both ways have brought a word that was said after this call. */
async function untilWordsGoOn(s: XenScenario): Promise<WordsReport> {
  const since_ms = Date.now();
  return s.lab.waitFor(
    'the guest goes on speaking, by UDP and by TCP',
    async () => {
      const report = await words();
      const spoke = [report.udp, report.tcp].every((way) => (way.last_at_ms ?? 0) > since_ms);
      return spoke ? report : undefined;
    },
    s.lab.patience_ms,
  );
}

async function assertOutputHeld(s: XenScenario, wanted: boolean): Promise<void> {
  const qdiscs = await s.lab.sh(s.primary, ['tc', 'qdisc', 'show']);
  assert.equal(/^qdisc plug /m.test(qdiscs), wanted, `netbuf=${NETBUF}:\n${qdiscs}`);
}

async function cut(s: XenScenario, name: string): Promise<number> {
  const before = await untilWordsGoOn(s);
  await assertOutputHeld(s, NETBUF === 'on');
  const moment_ms = Math.round(Math.random() * MOMENT_MS);
  await sleep(moment_ms);
  await s.lab.kill(s.primary);
  await s.untilAnswer();
  const after = await untilWordsGoOn(s);
  const report = NETBUF === 'on' ? await s.assertUnbroken() : await s.client.report();
  const regressions = after.regression_count - before.regression_count;
  const { longest_silence } = report;
  const heard = after.udp.words + after.tcp.words - before.udp.words - before.tcp.words;
  measure(name, { moment_ms, silence_ms: longest_silence.ms, loss: loss(report), regressions });
  console.log(
    `      ${name} after ${moment_ms} ms: silence ${longest_silence.ms} ms, ${heard} words, ${regressions} taken back, ${loss(report)} answers lost`,
  );
  if (NETBUF === 'on') assert.deepEqual(after.regressions, []);
  return regressions + loss(report);
}

describe(`real Xen: ${CUTS} power cuts, netbuf=${NETBUF}`, function () {
  this.timeout(45 * 60_000);
  let taken_back = 0;

  before(async () => {
    const lab = await xenLab();
    await untilProtected(lab, 'the VM is protected');
    listener = new OutsideListener();
  });
  after(async () => {
    await listener?.stop();
    await leaveXenLab();
  });

  for (let number = 1; number <= CUTS; number++) {
    const name = `power cut ${number}`;
    it(
      `${name} of the primary, at a random moment: the guest goes on, and keeps what it has said`,
      xenScenario(async (s) => {
        taken_back += await cut(s, name);
      }),
    );
  }

  if (NETBUF === 'off')
    it('without held output, the same listeners hear the guest go back', () => {
      assert.ok(taken_back > 0, `in ${CUTS} power cuts nothing was taken back`);
    });
});
