/** Real Pacemaker on nodes with a real systemd, which run the product as systemd/install puts it there. */
import assert from 'node:assert/strict';
import type { LabResult } from './lab/command.js';
import { eventsSince } from './support/events.js';
import { anythingLeft } from './support/left-overs.js';
import { underLoad } from './support/load.js';
import { measure } from './support/measures.js';
import { dataProcesses, signal } from './support/processes.js';
import { PATIENCE_MS, type Scenario, VM, labWith, leaveLab, scenario } from './support/scenario.js';
import {
  daemonLines,
  impatientWatchdog,
  inject,
  mainPid,
  managerLines,
  moment,
  restartDaemon,
  show,
  untilBack,
} from './support/systemd.js';

const BUS = 'org.pacemakerremus1';
const BUS_PATH = '/org/pacemakerremus1';
/** syslog's number of each of the log's levels. */
const PRIORITIES: Readonly<Record<string, number>> = { debug: 7, info: 6, warn: 4, error: 3 };

/** The number of the newest acknowledged checkpoint, as remusctl on the primary says. */
async function acknowledged(s: Scenario): Promise<number> {
  const text = await s.lab.sh(s.primary, ['remusctl', 'status', '--json']);
  const status = JSON.parse(text) as { vms: { checkpoint: { acked: number | null } }[] };
  return status.vms[0]?.checkpoint.acked ?? 0;
}

/** What happens to a daemon disturbs neither the VM nor its replication: the same processes, the same replica. */
async function undisturbed(s: Scenario, fault: () => Promise<void>): Promise<void> {
  const began_ms = Date.now();
  const nodes = [s.primary, s.backup];
  const processes = await dataProcesses(s.lab, nodes, VM);
  const number = await acknowledged(s);
  await fault();
  const roles = await s.untilProtected();
  assert.equal(roles.grant, s.grant, 'the replica was made anew');
  assert.equal(roles.primary, s.primary, 'the VM has moved');
  assert.deepEqual(await dataProcesses(s.lab, nodes, VM), processes);
  await s.lab.waitFor(
    `checkpoints go on after number ${number}`,
    async () => (await acknowledged(s)) > number,
    PATIENCE_MS,
  );
  await s.untilAnswer();
  const fencing = eventsSince(s.lab, began_ms).filter(({ text }) => text.startsWith('fence_'));
  assert.deepEqual(fencing, [], 'somebody was fenced');
  const { longest_silence } = await s.assertUnbroken();
  measure('systemd: client during a daemon fault', { silence_ms: longest_silence.ms });
  await s.assertTidy(roles);
}

/** Where systemd said so last. */
function ended(lines: readonly string[], unit: string, how: RegExp): number {
  const at = lines.findLastIndex((line) => how.test(line) && line.includes(unit));
  assert.notEqual(at, -1, `systemd did not say ${String(how)} of ${unit}: ${lines.join('; ')}`);
  return at;
}

/** Pacemaker had stopped before remusd began to, in a boot of a node. */
async function stoppedInOrder(s: Scenario, node: string, boot: number): Promise<void> {
  const lines = await managerLines(s.lab, node, boot, 'remusd.service', 'pacemaker.service');
  const pacemaker = ended(lines, 'pacemaker.service', /^Stopped /);
  const remusd = ended(lines, 'remusd.service', /^Stopping /);
  assert.ok(pacemaker < remusd, lines.join('; '));
}

/** remusd was READY before pacemakerd was started. */
async function startedInOrder(s: Scenario, node: string): Promise<void> {
  const ready = await moment(s.lab, node, 'remusd.service', 'ActiveEnter');
  const started = await moment(s.lab, node, 'pacemaker.service', 'ExecMainStart');
  assert.ok(ready < started, `${node}: READY ${ready}, pacemakerd ${started} microseconds`);
  measure('systemd: READY before pacemakerd', { us: started - ready });
}

describe('systemd', () => {
  before(() => labWith({ systemd: true }));
  after(leaveLab);

  describe('at boot', () => {
    it(
      'remusd is READY before Pacemaker is started, and says in a word where it is',
      scenario(async (s) => {
        for (const node of [s.primary, s.backup]) {
          await startedInOrder(s, node);
          const now = await show(s.lab, node, 'remusd', 'ActiveState', 'StatusText', 'NRestarts');
          const address = `10.77.1.${node.slice(2)}:7900`;
          assert.deepEqual(now, {
            ActiveState: 'active',
            StatusText: `node ${node}, peers reach it at ${address}`,
            NRestarts: '0',
          });
        }
      }),
    );

    it(
      'the units are what systemd understands',
      scenario(async (s) => {
        const argv = ['systemd-analyze', 'verify', '--man=no', 'remusd.service'];
        const { code, stdout, stderr } = await s.lab.exec(s.primary, argv);
        assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' });
      }),
    );

    it(
      'the journal has each line once, structured, with the priority of its level',
      scenario(async (s) => {
        for (const node of [s.primary, s.backup]) {
          const lines = await daemonLines(s.lab, node);
          const odd = lines.filter(
            ({ json, priority }) => PRIORITIES[json?.level ?? ''] !== priority,
          );
          assert.deepEqual(odd, []);
          assert.deepEqual([...new Set(lines.map(({ identifier }) => identifier))], ['remusd']);
          const waiting = lines.filter(({ json }) => json?.msg === 'waiting');
          const reasons = waiting.map(
            ({ json }) => `${String(json?.['for'])}: ${String(json?.['why'])}`,
          );
          assert.ok(waiting.length > 0, 'it came before Pacemaker, so it has waited');
          assert.deepEqual(reasons, [...new Set(reasons)]);
          assert.deepEqual([...new Set(waiting.map(({ priority }) => priority))], [4]);
          assert.equal(lines.filter(({ json }) => json?.msg === 'ready').length, 1);
        }
        const said = (await daemonLines(s.lab, s.primary)).map(({ json }) => json?.msg);
        for (const change of ['replicating', 'granted: the replica may be promoted'])
          assert.equal(said.filter((msg) => msg === change).length, 1, change);
      }),
    );
  });

  describe('Pacemaker', () => {
    it(
      'Pacemaker pulls remusd in when it is started, and has stopped before remusd stops',
      scenario(async (s) => {
        const node = s.backup;
        await s.lab.sh(node, ['systemctl', 'enable', 'remusd']);
        await s.lab.sh(node, ['systemctl', 'stop', 'pacemaker', 'remusd'], {
          timeout_ms: PATIENCE_MS,
        });
        await stoppedInOrder(s, node, 0);
        assert.deepEqual(await anythingLeft(s.lab, node, VM), []);
        await s.lab.sh(node, ['systemctl', 'start', 'pacemaker'], { timeout_ms: PATIENCE_MS });
        await startedInOrder(s, node);
        const roles = await s.untilProtectedAnew();
        assert.equal(roles.primary, s.primary);
        await s.assertUnbroken();
        await s.assertTidy(roles);
      }),
    );
  });

  describe('a daemon that goes', () => {
    for (const side of ['primary', 'backup'] as const) {
      it(
        `systemctl restart remusd on the ${side}, under load: nobody notices`,
        scenario(async (s) => {
          const restart = async (): Promise<void> => {
            await restartDaemon(s.lab, s[side]);
          };
          const answers = await underLoad(s, () => undisturbed(s, restart));
          assert.ok(answers > 100, `the load was ${answers} answers`);
        }),
      );

      it(
        `kill -9 of remusd on the ${side}: systemd starts it anew`,
        scenario((s) =>
          undisturbed(s, async () => {
            const pid = await mainPid(s.lab, s[side]);
            await signal(s.lab, s[side], pid, 'KILL');
            await untilBack(s.lab, s[side], pid);
          }),
        ),
      );
    }

    it(
      'systemctl stop remusd: the VM and its replication go on, and monitor says what to type',
      scenario((s) =>
        undisturbed(s, async () => {
          const pid = await mainPid(s.lab, s.primary);
          await s.untilNoFailures();
          await s.lab.sh(s.primary, ['systemctl', 'stop', 'remusd']);
          const degraded = await s.lab.waitFor(
            "the primary's monitor says that remusd is not running",
            async () => {
              const { failures } = await s.lab.crmMon(s.backup);
              return failures.find(({ reason }) => reason.includes('remusd is not running'));
            },
            PATIENCE_MS,
          );
          assert.equal(degraded.node, s.primary);
          assert.equal(degraded.exit_code, 191);
          assert.match(degraded.reason, /runs.*type: systemctl start remusd$/);
          await s.untilAnswer();
          await s.lab.sh(s.primary, ['systemctl', 'start', 'remusd']);
          await untilBack(s.lab, s.primary, pid);
        }),
      ),
    );
  });

  describe('the watchdog', () => {
    /** The daemon is made to hang; systemd must see it, and start another one. */
    async function killedByWatchdog(
      s: Scenario,
      node: string,
      hang: (pid: number) => Promise<void>,
    ): Promise<void> {
      await undisturbed(s, async () => {
        const pid = await impatientWatchdog(s.lab, node);
        await s.untilProtected();
        const before = await managerLines(s.lab, node, 0, 'remusd.service');
        const began_ms = Date.now();
        await hang(pid);
        await untilBack(s.lab, node, pid);
        measure('systemd: hang to ready again', { ms: Date.now() - began_ms });
        const after = await managerLines(s.lab, node, 0, 'remusd.service');
        const news = after.slice(before.length);
        assert.equal(
          news.filter((line) => /Watchdog timeout/.test(line)).length,
          1,
          news.join('; '),
        );
      });
    }

    it(
      'kills a daemon that is stopped (SIGSTOP)',
      scenario((s) =>
        killedByWatchdog(s, s.primary, (pid) => signal(s.lab, s.primary, pid, 'STOP')),
      ),
    );

    it(
      'kills a daemon whose event loop is blocked',
      scenario((s) =>
        killedByWatchdog(s, s.backup, (pid) =>
          inject(s.lab, s.backup, pid, 'setTimeout(() => { for (;;); }, 1000)'),
        ),
      ),
    );

    it(
      'kills a daemon whose driver is stuck, which has said so before',
      scenario(async (s) => {
        const began_ms = Date.now();
        await killedByWatchdog(s, s.primary, (pid) =>
          inject(
            s.lab,
            s.primary,
            pid,
            "process.getBuiltinModule('module').createRequire('/')('/usr/lib/pacemaker-remus/daemon/driver.js').VmDriver.prototype.post = () => undefined",
          ),
        );
        const said = (await daemonLines(s.lab, s.primary, began_ms)).filter(
          ({ json }) => json?.['wrong'] !== undefined,
        );
        assert.deepEqual(
          said.map(({ priority, json }) => [priority, json?.['wrong']]),
          [[3, `VMs: ${VM}: its machine completes no turn`]],
        );
      }),
    );
  });

  describe('D-Bus', () => {
    function busctl(s: Scenario, user: string, argv: readonly string[]): Promise<LabResult> {
      return s.lab.exec(s.primary, [
        'runuser',
        '-u',
        user,
        '--',
        'busctl',
        '--json=short',
        ...argv,
      ]);
    }
    const manager = (method: string): string[] => ['call', BUS, BUS_PATH, `${BUS}.Manager`, method];
    const introspect = ['introspect', BUS, BUS_PATH];

    it(
      'root is told of the VMs',
      scenario(async (s) => {
        const list = await busctl(s, 'root', manager('ListVms'));
        const vm = [VM, `${BUS_PATH}/vm/${VM}`, 'primary', 'protected', 'protected'];
        assert.deepEqual(JSON.parse(list.stdout), { type: 'a(sosss)', data: [[vm]] });
        const { stdout } = await busctl(s, 'root', introspect);
        assert.match(stdout, new RegExp(`${BUS}\\.Manager`));
      }),
    );

    it(
      "Pacemaker's administrators may look, and call nothing of ours",
      scenario(async (s) => {
        assert.equal((await busctl(s, 'hacluster', introspect)).code, 0);
        const property = ['get-property', BUS, `${BUS_PATH}/vm/${VM}`, `${BUS}.Vm`, 'State'];
        const state = await busctl(s, 'hacluster', property);
        assert.deepEqual(JSON.parse(state.stdout), { type: 's', data: 'protected' });
        const call = await busctl(s, 'hacluster', manager('ListVms'));
        assert.notEqual(call.code, 0);
        assert.match(call.stderr, /Access denied/);
      }),
    );

    it(
      'everybody else is refused, and cannot take the name',
      scenario(async (s) => {
        for (const argv of [manager('ListVms'), introspect]) {
          const refused = await busctl(s, 'nobody', argv);
          assert.notEqual(refused.code, 0, argv.join(' '));
          assert.match(refused.stderr, /Access denied/);
        }
        const bus = ['org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus'];
        const argv = ['call', ...bus, 'RequestName', 'su', BUS, '0'];
        const taken = await busctl(s, 'nobody', argv);
        assert.notEqual(taken.code, 0);
        assert.match(taken.stderr, /not allowed to own|Access denied|AccessDenied/);
      }),
    );

    it(
      'a bus that is started anew costs nothing but the time until the name is back',
      scenario((s) =>
        undisturbed(s, async () => {
          const pid = await mainPid(s.lab, s.primary);
          await s.lab.sh(s.primary, ['systemctl', 'restart', 'dbus']);
          await s.lab.waitFor(
            'the name is back on the bus',
            async () => (await busctl(s, 'root', manager('ListVms'))).code === 0,
            PATIENCE_MS,
          );
          assert.equal(await mainPid(s.lab, s.primary), pid);
        }),
      ),
    );
  });

  describe('the node', () => {
    it(
      'systemctl reboot of the primary hands the VM over with its memory, and the node comes back as backup',
      scenario(async (s) => {
        const began_ms = Date.now();
        await s.lab.exec(s.primary, ['systemctl', 'reboot']);
        await s.lab.waitFor(
          `${s.primary} is down`,
          () => s.lab.power(s.primary) === 'off',
          PATIENCE_MS,
        );
        await s.lab.boot(s.primary); // what the firmware of a machine does
        const roles = await s.untilProtectedAnew();
        assert.deepEqual([roles.primary, roles.backup], [s.backup, s.primary]);
        await s.untilAnswer();
        const { longest_silence } = await s.assertUnbroken();
        measure('systemd: orderly reboot of the primary', { silence_ms: longest_silence.ms });
        const fencing = eventsSince(s.lab, began_ms).filter(({ text }) =>
          text.startsWith('fence_'),
        );
        assert.deepEqual(fencing, [], 'somebody was fenced');
        await stoppedInOrder(s, s.primary, -1);
        await startedInOrder(s, s.primary);
        await s.assertTidy(roles);
      }),
    );
  });
});
