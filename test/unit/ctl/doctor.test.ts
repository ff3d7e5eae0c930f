/** remusctl doctor: its screens as text, and the command as a process. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { exitCode } from '../../../ctl/commands/doctor.js';
import type { Report } from '../../../ctl/doctor.js';
import { palette } from '../../../ctl/render/paint.js';
import { doctorScreen } from '../../../ctl/render/doctor.js';
import { examine } from '../../../daemon/doctor/examine.js';
import type { Facts } from '../../../daemon/doctor/facts.js';
import {
  healthy,
  withConfig,
  withConfiguration,
  withLive,
  withNode,
  withView,
  withVm,
} from '../doctor/healthy.js';
import { FakeDaemon } from './fake-daemon.js';
import { assertScreen } from './golden.js';

const main = resolve(import.meta.dirname, '../../../ctl/main.js');

const many: Facts = {
  ...withLive({ stonith_enabled: false }),
  nodes: [
    ...withConfig({ digest: 'b', disks: ['/dev/vg/vm1,raw,xvda,rw'] }, 'pm1').nodes.slice(0, 1),
    ...withNode('pm2', { ifbs: { ok: ['rem99.0'] }, bridges: { ok: [] }, ntp: false }).nodes.slice(
      1,
    ),
  ],
};
const alone: Facts = {
  ...withView('pm2', {
    facts: null,
    problem: { kind: 'unasked', sentence: 'only a running remusd can ask it' },
  }),
  daemon: { kind: 'down', sentence: 'it is not running', waits: false },
};
const reports = {
  'nothing found': examine(healthy, null),
  'no VM yet': examine({ ...withConfiguration({ vms: [] }), vms: [] }, null),
  'much found': examine(many, null),
  'output is not held': examine(withVm({ netbuf_off: true }), null),
  'remusd is down': examine(alone, null),
};

describe('remusctl doctor', () => {
  it('its screens', () => {
    const screens = Object.entries(reports).map(
      ([name, report]) => `--- ${name}\n${doctorScreen(report, palette(false))}`,
    );
    assertScreen('doctor', screens.join('\n'));
  });

  it('fits a terminal, but for commands', () => {
    const lines = Object.values(reports).flatMap((report) =>
      doctorScreen(report, palette(false)).split('\n'),
    );
    assert.deepEqual(
      lines.filter((line) => line.length > 88 && !/^ +(?:do| {2})/.test(line)),
      [],
    );
  });

  it('ends with the severity of the worst finding', () => {
    const worst = (...severities: Report['findings'][number]['severity'][]): number => {
      const finding = { id: 'x', what: 'x', why: 'x', fix: [] };
      const findings = severities.map((severity) => ({ ...finding, severity }));
      return exitCode({ ...reports['nothing found'], findings });
    };
    assert.deepEqual(
      [worst(), worst('note'), worst('note', 'warning'), worst('warning', 'error')],
      [0, 0, 4, 5],
    );
  });

  describe('as a process', () => {
    let daemon: FakeDaemon;
    beforeEach(async () => {
      daemon = new FakeDaemon();
      await daemon.listen();
    });
    afterEach(() => daemon.close());

    async function remusctl(...args: string[]) {
      const child = spawn(process.execPath, [main, 'doctor', ...args], {
        env: { ...process.env, REMUS_RUNDIR: daemon.run_dir },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let [out, err] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      const [code] = (await once(child, 'close')) as [number | null];
      return { code, out, err };
    }

    it('shows what remusd answers, and asks in the words of the protocol', async () => {
      daemon.answers(`rc=0\njson=${JSON.stringify(reports['much found'])}\nend\n`);
      const { code, out, err } = await remusctl('vm1', '--config', '/etc/xen/vm2.cfg');
      assert.deepEqual({ code, err }, { code: 5, err: '' });
      assert.equal(out, doctorScreen(reports['much found'], palette(false)));
      assert.deepEqual(daemon.requests, [
        'remus 1\naction=doctor\nresource=vm1\nconfig=/etc/xen/vm2.cfg\n\n',
      ]);
    });

    it('--json is one line that a program can read', async () => {
      daemon.answers(`rc=0\njson=${JSON.stringify(reports['nothing found'])}\nend\n`);
      const { code, out } = await remusctl('--json');
      assert.equal(code, 0);
      assert.deepEqual(JSON.parse(out), reports['nothing found']);
      assert.equal(out.trimEnd().split('\n').length, 1);
    });

    it('an unknown VM is a failure, and no finding', async () => {
      daemon.answers('rc=1\nreason=Pacemaker has no VM "vm9"\nend\n');
      const { code, out, err } = await remusctl('vm9');
      assert.deepEqual(
        { code, out, err },
        { code: 1, out: '', err: 'remusctl: Pacemaker has no VM "vm9"\n' },
      );
    });

    it('rubbish is a failure with a hint', async () => {
      daemon.answers('rc=0\njson={"node":7}\nend\n');
      const { code, err } = await remusctl();
      assert.equal(code, 1);
      assert.match(err, /something else than a report.*systemctl restart remusd/);
    });

    it('without remusd it looks by itself, and says that first', async () => {
      await daemon.close();
      const { code, out } = await remusctl('--json');
      daemon = new FakeDaemon();
      await daemon.listen();
      const { findings } = JSON.parse(out) as Report;
      assert.equal(code, 5);
      assert.equal(findings[0]?.id, 'remusd-down');
      assert.ok(
        findings.some(({ id }) => id === 'no-xen'),
        out,
      );
    }).timeout(60_000);

    it('a remusd of a former release does not know the question: it looks by itself', async () => {
      daemon.answers('rc=3\nreason=this remusd does not know the action doctor\nend\n');
      const { code, out } = await remusctl('--json');
      const { findings } = JSON.parse(out) as Report;
      assert.equal(code, 5);
      const found = findings.find(({ id }) => id === 'remusd-other-release');
      assert.match(found?.what ?? '', /does not know the action doctor\.$/);
      assert.ok(!findings.some(({ id }) => id === 'remusd-down'));
    }).timeout(60_000);
  });
});
