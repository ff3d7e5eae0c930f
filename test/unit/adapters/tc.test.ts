import assert from 'node:assert/strict';
import type { PipedChild, PipedOptions } from '../../../daemon/adapters/exec.js';
import { dropHold, ifbOf, liftHold, openHold, type HoldDeps } from '../../../daemon/adapters/tc.js';
import type { ExecResult } from '../../../daemon/ports.js';

/** A host's links and its tc, in memory. */
class Net {
  readonly links = new Set(['vif9.0', 'vif9.1']);
  readonly ingress = new Set<string>();
  readonly log: string[] = [];
  /** What the long-lived tc does with a line: answer, be silent, or end. */
  behave: (line: string) => 'ok' | 'silent' | 'fail' = () => 'ok';
  stuck = false;

  readonly deps: HoldDeps = {
    exec: {
      run: (argv) => Promise.resolve(this.#run(argv)),
      spawnDetached: () => Promise.reject(new Error('not used')),
    },
    spawn: (_argv, options) => Promise.resolve(this.#batch(options ?? {})),
  };

  #run(argv: readonly string[]): ExecResult {
    const line = argv.join(' ');
    const words = argv.slice(1);
    const name = words.at(-1) ?? '';
    const result = (code: number, stdout = '', stderr = ''): ExecResult => {
      return { argv, code, signal: null, stdout, stderr, timed_out: false, duration_ms: 1 };
    };
    if (line.startsWith('ip -o link show')) {
      return this.links.has(name) ? result(0) : result(1, '', `Device "${name}" does not exist.`);
    }
    if (line.startsWith('tc qdisc show dev')) {
      return result(0, this.ingress.has(name) ? 'qdisc ingress ffff: parent ffff:fff1\n' : '');
    }
    this.log.push(line);
    if (this.stuck) return result(2, '', 'RTNETLINK answers: Operation not permitted');
    if (line.startsWith('ip link add')) this.links.add(words[2] ?? '');
    if (line.startsWith('ip link del')) this.links.delete(name);
    if (line.startsWith('tc qdisc del')) this.ingress.delete(words[3] ?? '');
    return result(0);
  }

  #batch(options: PipedOptions): PipedChild {
    let end: (exit: { code: number | null; signal: null }) => void = () => undefined;
    const exited = new Promise<{ code: number | null; signal: null }>((resolve) => (end = resolve));
    const take = (line: string): boolean => {
      const what = this.behave(line);
      if (what === 'fail') end({ code: 1, signal: null });
      if (what !== 'ok') return false;
      if (line.startsWith('qdisc show')) options.onLine?.('qdisc plug 8001: root refcnt 2 ');
      else this.log.push(line);
      if (/^qdisc add dev \S+ ingress/.test(line)) this.ingress.add(line.split(' ')[3] ?? '');
      return true;
    };
    const stdin = {
      write: (text: string) => text.split('\n').filter(Boolean).every(take),
      end: () => end({ code: 0, signal: null }),
    };
    return {
      pid: 1,
      stdin: stdin as unknown as PipedChild['stdin'],
      stdout: null,
      stderrTail: () => 'Command failed -:3',
      exited,
      signal: () => true,
      stop: () => exited,
    };
  }
}

describe('adapters/tc', () => {
  it('names ifbs after vifs, and takes nothing else', () => {
    assert.equal(ifbOf('vif7.0'), 'rem7.0');
    for (const name of ['eth0', 'vif7', 'vif7.0; reboot', 'vif7.0-emu']) {
      assert.throws(() => ifbOf(name), /not a vif/);
    }
  });

  it('is passing before the output goes through it', async () => {
    const net = new Net();
    await openHold(['vif9.0'], net.deps);
    assert.deepEqual(net.log, [
      'ip link add rem9.0 type ifb',
      'ip link set rem9.0 up',
      'qdisc add dev rem9.0 root plug limit 67108864',
      'qdisc change dev rem9.0 root plug release_indefinite',
      'qdisc add dev vif9.0 ingress',
      'filter add dev vif9.0 parent ffff: protocol all matchall action mirred egress redirect dev rem9.0',
    ]);
  });

  it('blocks and releases all vifs together, in order', async () => {
    const net = new Net();
    const hold = await openHold(['vif9.0', 'vif9.1'], net.deps);
    net.log.length = 0;
    await Promise.all([hold.block(), hold.release()]);
    const lines = ['block', 'release'].flatMap((action) =>
      ['rem9.0', 'rem9.1'].map((ifb) => `qdisc change dev ${ifb} root plug ${action}`),
    );
    assert.deepEqual(net.log, lines);
  });

  it('replaces what an earlier one has left', async () => {
    const net = new Net();
    await openHold(['vif9.0'], net.deps);
    net.log.length = 0;
    await openHold(['vif9.0'], net.deps);
    assert.deepEqual(net.log.slice(0, 3), [
      'ip link del rem9.0',
      'tc qdisc del dev vif9.0 ingress',
      'ip link add rem9.0 type ifb',
    ]);
  });

  it('a block is not done until tc has answered, and fails when tc ends', async () => {
    const net = new Net();
    const hold = await openHold(['vif9.0'], net.deps);
    net.behave = (line) => (line.startsWith('qdisc show') ? 'silent' : 'ok');
    const pending = hold.block();
    const early = await Promise.race([pending.then(() => 'done'), Promise.resolve('waits')]);
    assert.equal(early, 'waits');
    net.behave = () => 'fail';
    const second = hold.release();
    await assert.rejects(pending, { name: 'HoldError', code: 'tc-ended' });
    await assert.rejects(second, {
      sentence: /cannot be controlled: tc ended \(1\): Command failed/,
    });
    await assert.rejects(hold.block(), { code: 'tc-ended' });
    assert.match(await hold.lost, /cannot be controlled/);
  });

  it('lifts: lets go, then removes; a second time nothing', async () => {
    const net = new Net();
    await openHold(['vif9.0'], net.deps);
    net.log.length = 0;
    await liftHold(['vif9.0'], net.deps);
    assert.deepEqual(net.log, [
      'tc qdisc change dev rem9.0 root plug release_indefinite',
      'tc qdisc del dev vif9.0 ingress',
      'ip link del rem9.0',
    ]);
    await liftHold(['vif9.0'], net.deps);
    assert.equal(net.log.length, 3);
  });

  it('drops: removes without letting go, also when the vif is gone', async () => {
    const net = new Net();
    await openHold(['vif9.0'], net.deps);
    net.links.delete('vif9.0');
    net.log.length = 0;
    await dropHold(['vif9.0'], net.deps);
    await dropHold(['vif9.0'], net.deps);
    assert.deepEqual(net.log, ['ip link del rem9.0']);
  });

  it('says what to type when it cannot be removed', async () => {
    const net = new Net();
    await openHold(['vif9.0'], net.deps);
    net.stuck = true;
    await assert.rejects(dropHold(['vif9.0'], net.deps), {
      sentence: /"ip link del rem9\.0".*by hand/,
    });
  });
});
