/** ocf/alert_remus.sh as Pacemaker calls it: with whatever is, or is not, at the other end. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControlRequest } from '../../../daemon/adapters/control-protocol.js';
import { serveAlertSocket } from '../../../daemon/adapters/alert-socket.js';
import type { ControlSocket } from '../../../daemon/adapters/control-socket.js';
import { createExec } from '../../../daemon/adapters/exec.js';

const AGENT = join(import.meta.dirname, '../../../../ocf/alert_remus.sh');
/** As Pacemaker 2.1.5 has it. */
const FENCED = {
  CRM_alert_kind: 'fencing',
  CRM_alert_version: '2.1.5',
  CRM_alert_recipient: '',
  CRM_alert_node: 'pm2',
  CRM_alert_task: 'st_notify_fence',
  CRM_alert_desc:
    'Operation reboot of pm2 by pm1 for pacemaker-controld.123@pm1: OK (ref=1a2b3c4d-0000)',
  CRM_alert_rc: '0',
  CRM_alert_timestamp: '10:11:12.000013',
};
const LOST = { CRM_alert_kind: 'node', CRM_alert_node: 'pm2', CRM_alert_desc: 'lost' };

interface Ran {
  readonly code: number | null;
  readonly said: string;
  readonly ms: number;
}

describe('ocf/alert_remus.sh', function () {
  this.timeout(20_000);
  let dir: string;
  let path: string;
  let socket: ControlSocket | undefined;
  let requests: ControlRequest[];
  let problems: string[];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'remus-alert-'));
    path = join(dir, 'run-alert.sock');
    requests = [];
    problems = [];
  });
  afterEach(async () => {
    await socket?.close();
    socket = undefined;
    rmSync(dir, { recursive: true });
  });

  async function serve(): Promise<void> {
    socket = await serveAlertSocket({
      path,
      exec: createExec(),
      handler: (request) => {
        requests.push(request);
        return Promise.resolve({ rc: 0 });
      },
      problem: (message) => problems.push(message),
    });
  }

  function alert(given: Readonly<Record<string, string>>, user?: number): Ran {
    const began = performance.now();
    const env = { REMUS_RUNDIR: join(dir, 'run'), ...given };
    const copy = join(dir, 'agent');
    // The clone may be nobody's but root's.
    spawnSync('cp', [AGENT, copy]);
    const as = user === undefined ? {} : { uid: user, gid: user };
    const child = spawnSync(copy, { encoding: 'utf8', env, cwd: '/', ...as });
    const ms = performance.now() - began;
    return { code: child.status, said: child.stdout + child.stderr, ms };
  }

  const quiet = ({ code, said }: Ran): void =>
    assert.deepEqual({ code, said }, { code: 0, said: '' });

  async function heard(times: number): Promise<void> {
    for (let n = 0; n < 200 && requests.length < times; n += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(requests.length, times);
  }

  it('tells of fencing and of nodes, and of nothing else', async () => {
    await serve();
    quiet(alert(FENCED));
    quiet(alert(LOST));
    quiet(alert({ CRM_alert_kind: 'resource', CRM_alert_node: 'pm2', CRM_alert_rsc: 'vm1' }));
    quiet(alert({ CRM_alert_kind: 'attribute', CRM_alert_attribute_name: 'remus-vm1' }));
    quiet(alert({ CRM_alert_kind: 'of a later Pacemaker' }));
    quiet(alert({}));
    await heard(2);
    const [fencing, node] = requests.map(({ action, options }) => ({ action, ...options }));
    assert.deepEqual(fencing, {
      ...{ action: 'cluster-event', kind: 'fencing', node: 'pm2', task: 'st_notify_fence' },
      ...{ desc: FENCED.CRM_alert_desc, rc: '0' },
    });
    assert.deepEqual(node, { action: 'cluster-event', kind: 'node', node: 'pm2', desc: 'lost' });
    assert.deepEqual(problems, []);
  });

  it('what is no single line, or endless, is left out: it cannot make another request', async () => {
    await serve();
    quiet(alert({ ...LOST, CRM_alert_desc: 'x\naction=stop\nresource=vm1', CRM_alert_node: '' }));
    quiet(alert({ ...LOST, CRM_alert_desc: 'x'.repeat(5_000) }));
    quiet(alert({ ...LOST, CRM_alert_desc: '$(touch /tmp/x) `id` "; %s\\n' }));
    await heard(3);
    assert.deepEqual(
      requests.map(({ options }) => options),
      [
        { kind: 'node' },
        { kind: 'node', node: 'pm2' },
        { kind: 'node', node: 'pm2', desc: '$(touch /tmp/x) `id` "; %s\\n' },
      ],
    );
  });

  it('without remusd, or with what it has left behind, it ends at once', async () => {
    quiet(alert(FENCED));
    const server = createServer().listen(path);
    await once(server, 'listening');
    spawnSync('mv', [path, `${path}.kept`]);
    server.close();
    await once(server, 'close');
    spawnSync('mv', [`${path}.kept`, path]);
    const left = alert(FENCED);
    quiet(left);
    assert.ok(left.ms < 1_500, `${left.ms} ms`);
  });

  it('with a remusd that hangs it ends in time', async () => {
    // Nobody accepts: this process stands still while the agent runs.
    const server = createServer().listen({ path, backlog: 1 });
    await once(server, 'listening');
    for (let n = 0; n < 4; n += 1) {
      const ran = alert(FENCED);
      quiet(ran);
      assert.ok(ran.ms < 4_500, `${ran.ms} ms`);
    }
    server.close();
  });

  it('the socket is for root and haclient, and for nobody else', async function () {
    if (process.getuid?.() !== 0) this.skip();
    await serve();
    chmodSync(dir, 0o755);
    const group = /^haclient:[^:]*:(\d+):/m.exec(readFileSync('/etc/group', 'utf8'))?.[1];
    const user = /^hacluster:[^:]*:(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[1];
    const { mode, uid, gid } = statSync(path);
    assert.deepEqual([mode & 0o777, uid, gid], [0o660, 0, Number(group)]);
    const env = { REMUS_RUNDIR: join(dir, 'run'), ...FENCED };
    const copy = join(dir, 'agent');
    spawnSync('cp', [AGENT, copy]);
    for (const who of [
      { uid: 65_534, gid: 65_534 },
      { uid: Number(user), gid: Number(group) },
    ])
      assert.equal(spawnSync(copy, { env, cwd: '/', ...who }).status, 0);
    await heard(1);
  });
});
