/** The line of a state change: for people, for journalctl, for programs. */
import assert from 'node:assert/strict';
import type { VmStatus } from '../../ctl/status.js';
import { formatEntry, Journal } from '../../daemon/adapters/journal.js';
import type { LogFields } from '../../daemon/adapters/log.js';
import { silentLog } from '../../daemon/adapters/log.js';
import type { Exec, ExecResult } from '../../daemon/ports.js';
import { journalFields, logState, stateLine, STATE_MESSAGE_ID } from '../../daemon/state-line.js';

const status = (more: Partial<VmStatus>): VmStatus => ({
  ...{ resource: 'vm1', domain: 'vm1', role: 'primary', state: 'protected', words: 'protected' },
  ...{ peer: 'pm2', generation: 7, acked_age_ms: null, rate_per_s: null, last_pause_ms: null },
  ...{ last_ack_ms: null, bytes_total: null, held: true },
  checkpoint: { sent: null, acked: null, complete: null, applied: null },
  ...more,
});
const reason = 'peer pm2 is offline';
const unprotected = status({ state: 'unprotected', words: `unprotected: ${reason}`, reason });

describe('the line of a state change', () => {
  it('says in a sentence what is, and what was', () => {
    assert.equal(stateLine(status({}), null)?.sentence, 'vm1: protected');
    assert.equal(
      stateLine(unprotected, 'protected')?.sentence,
      'vm1: unprotected: peer pm2 is offline (was: protected)',
    );
  });

  it('is there once a state: not for each step of a first copy', () => {
    const syncing = (percent: number): string => `syncing ${percent}%`;
    assert.equal(stateLine(status({}), 'protected'), null);
    assert.equal(stateLine(status({ words: syncing(40) }), syncing(20)), null);
    assert.notEqual(stateLine(status({ words: syncing(0) }), 'unprotected: x'), null);
  });

  it('has fields for the journal', () => {
    const line = stateLine(unprotected, 'protected');
    assert.ok(line);
    assert.deepEqual(journalFields(line), {
      MESSAGE: 'vm1: unprotected: peer pm2 is offline (was: protected)',
      MESSAGE_ID: STATE_MESSAGE_ID,
      PRIORITY: '4',
      REMUS_VM: 'vm1',
      REMUS_ROLE: 'primary',
      REMUS_STATE: 'unprotected',
      REMUS_WORDS: 'unprotected: peer pm2 is offline',
      REMUS_WAS: 'protected',
      REMUS_REASON: 'peer pm2 is offline',
      REMUS_PEER: 'pm2',
      REMUS_GENERATION: '7',
    });
    const well = stateLine(status({ generation: null }), null);
    assert.ok(well);
    const { PRIORITY, REMUS_GENERATION, REMUS_WAS } = journalFields(well);
    assert.deepEqual([PRIORITY, REMUS_GENERATION, REMUS_WAS], ['6', '', '']);
  });

  it('is a line of the log where there is no journal', () => {
    const lines: [string, string, LogFields | undefined][] = [];
    const log = {
      ...silentLog,
      info: (message: string, fields?: LogFields) => lines.push(['info', message, fields]),
      warn: (message: string, fields?: LogFields) => lines.push(['warn', message, fields]),
    };
    const line = stateLine(unprotected, 'protected');
    assert.ok(line);
    logState(log, line);
    const { well, ...fields } = line;
    assert.deepEqual([well, lines], [false, [['warn', 'state', fields]]]);
  });
});

describe("systemd's journal", () => {
  const done: ExecResult = {
    ...{ argv: [], code: 0, signal: null, stdout: '', stderr: '', timed_out: false },
    duration_ms: 1,
  };

  it('takes an entry through logger, as ours', async () => {
    const calls: unknown[] = [];
    const exec: Exec = {
      run: (argv, { stdin }) => {
        calls.push([argv, stdin]);
        return Promise.resolve(done);
      },
    } as Exec;
    await new Journal({ exec, pid: 42 }).put({ MESSAGE: 'a', REMUS_PEER: '', REMUS_VM: 'vm1' });
    const entry = 'MESSAGE=a\nREMUS_VM=vm1\nSYSLOG_IDENTIFIER=remusd\nOBJECT_PID=42\n';
    assert.deepEqual(calls, [[['logger', '--journald'], entry]]);
  });

  it('has one line a field, whatever the text', () => {
    assert.equal(formatEntry({ MESSAGE: 'a\nPRIORITY=0\u001b[m' }), 'MESSAGE=a PRIORITY=0 [m\n');
  });

  it('writes in order; what it does not take, and what is too much, is said', async () => {
    const written: string[] = [];
    const exec: Exec = {
      run: async (_argv, { stdin }) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        written.push(/MESSAGE=(.*)/.exec(stdin ?? '')?.[1] ?? '');
        return written.length === 2 ? { ...done, code: 1, stderr: 'no journal' } : done;
      },
    } as Exec;
    const journal = new Journal({ exec });
    const all = Array.from({ length: 70 }, (_, n) => journal.put({ MESSAGE: String(n) }));
    const outcomes = await Promise.allSettled(all);
    const refused = outcomes.flatMap((one) =>
      one.status === 'rejected' ? [(one.reason as Error).message] : [],
    );
    assert.deepEqual(refused[0], 'no journal');
    assert.equal(refused.length, 1 + 6);
    assert.deepEqual(
      written,
      Array.from({ length: 64 }, (_, n) => String(n)),
    );
    await journal.put({ MESSAGE: 'again' });
  });
});
