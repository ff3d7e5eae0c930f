/** Facts are put together from the cluster's tools, this node and its peers; whoever fails, fails alone. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { OCF } from '../../../daemon/core/ocf.js';
import { PeerError } from '../../../daemon/adapters/peer-control.js';
import { clockOf, collect, type CollectParts } from '../../../daemon/doctor/collect.js';
import { diagnosis, firstError } from '../../../daemon/doctor/doctor.js';
import { examine } from '../../../daemon/doctor/examine.js';
import { isRemusd } from '../../../daemon/doctor/alone.js';
import type { FactsRequest } from '../../../daemon/doctor/facts.js';
import { PeerRefusal, REQUESTS } from '../../../daemon/peer-calls.js';
import type { Exec, ExecResult, Xl } from '../../../daemon/ports.js';
import { parseReport } from '../../../ctl/doctor-schema.js';
import { healthy, node, vm1, withConfig, withNode, withVm } from './healthy.js';

const recorded = (name: string): string => readFileSync(`test/fixtures/doctor/${name}`, 'utf8');

const PRINTED: Readonly<Record<string, string>> = {
  crm_mon: recorded('crm_mon-lab.xml'),
  cibadmin: recorded('configuration-lab.xml'),
  'corosync-quorumtool': recorded('corosync-quorumtool.txt'),
  'corosync-cfgtool': recorded('corosync-cfgtool.txt'),
  ip: recorded('ip-link.json'),
};

/** The recorded outputs; what is named fails as it does when its daemon is down. */
function tools(...down: readonly string[]): Exec {
  const printed = (argv: readonly string[]): string | undefined => {
    const [name = '', what] = argv;
    if (name !== 'stonith_admin') return PRINTED[name];
    return what === '--list' ? recorded('fence-list.xml') : recorded('fence-history.xml');
  };
  return {
    run: (argv): Promise<ExecResult> => {
      const text = down.includes(argv[0] ?? '') ? undefined : printed(argv);
      const rest = { argv, signal: null, stderr: '', timed_out: false, duration_ms: 1 };
      return Promise.resolve({ ...rest, code: text === undefined ? 102 : 0, stdout: text ?? '' });
    },
    spawnDetached: () => Promise.reject(new Error('nothing is started')),
  };
}

const hangs = (): Promise<never> => Promise.reject(new Error('xl did not end in time'));
const no_xl: Xl = {
  info: hangs,
  list: hangs,
  create: hangs,
  pause: hangs,
  unpause: hangs,
  shutdown: hangs,
  destroy: hangs,
  resume: hangs,
  vifs: hangs,
};

function parts(more: Partial<CollectParts> = {}): CollectParts {
  return {
    ...{ node: 'pm1', release: '0.1.0', exec: tools(), xl: no_xl, now: () => 5_000 },
    rooms: { run: '/nowhere/run', state: '/nowhere/state', lib: '/nowhere/lib' },
    daemon: { kind: 'runs', release: '0.1.0' },
    peers: () => ['pm1', 'pm2'],
    ask: () => Promise.resolve(node('pm2')),
    ...more,
  };
}

async function problemWith(error: Error) {
  const facts = await collect(parts({ ask: () => Promise.reject(error) }), null);
  return facts.nodes[1]?.problem;
}

describe('doctor: collecting', () => {
  it('asks a peer for the configurations and fence targets of this cluster', async () => {
    const asked: FactsRequest[] = [];
    const ask = (name: string, request: FactsRequest) => {
      asked.push(REQUESTS.facts.parse(JSON.parse(JSON.stringify(request))));
      return Promise.resolve(node(name));
    };
    const facts = await collect(parts({ ask }), null);
    assert.deepEqual(asked, [{ configs: ['/etc/xen/vm1.cfg'], targets: ['pm1', 'pm2'] }]);
    assert.deepEqual(
      facts.nodes.map(({ name, facts: own }) => [name, own?.node]),
      [
        ['pm1', 'pm1'],
        ['pm2', 'pm2'],
      ],
    );
    assert.deepEqual(
      facts.vms.map(({ resource }) => resource),
      ['vm1'],
    );
    assert.match(JSON.stringify(facts.nodes[0]?.facts?.xen), /did not end in time/);
  });

  it('a peer of a former release is a finding and no crash', async () => {
    const error = new PeerError(
      'remote',
      'the peer refused',
      'pm2: this remusd (0.0.1) does not know "facts"',
      { remote_code: 'unknown-method' },
    );
    assert.equal((await problemWith(error))?.kind, 'older');
    const report = examine(await collect(parts({ ask: () => Promise.reject(error) }), null), null);
    assert.ok(report.findings.some(({ id }) => id === 'peer-older'));
    assert.deepEqual(
      report.unchecked.filter((text) => text.startsWith('pm2')),
      ['pm2: this remusd (0.0.1) does not know "facts"'],
    );
  });

  it('says why a peer cannot be asked', async () => {
    const of = (code: 'unreachable' | 'certificate' | 'version' | 'timeout') =>
      new PeerError(code, 'no', 'pm2: no');
    assert.equal((await problemWith(of('certificate')))?.kind, 'certificate');
    assert.equal((await problemWith(of('version')))?.kind, 'protocol');
    assert.deepEqual(await problemWith(of('timeout')), { kind: 'unreachable', sentence: 'no' });
    assert.equal((await problemWith(new PeerRefusal('no address published')))?.kind, 'no-remusd');
  });

  it('an answer that is something else is refused', async () => {
    for (const answer of [null, {}, { ...node('pm2'), xen: 7 }, node('pm3')]) {
      const facts = await collect(parts({ ask: () => Promise.resolve(answer) }), null);
      assert.equal(facts.nodes[1]?.problem?.kind, 'unreachable');
    }
  });

  it('facts of a later release are taken for what is known of them', async () => {
    const later = { ...node('pm2'), weather: 'fine', modules: { ifb: true, sch_next: false } };
    const facts = await collect(parts({ ask: () => Promise.resolve(later) }), null);
    assert.equal(facts.nodes[1]?.facts?.node, 'pm2');
  });

  it('without Pacemaker: the configuration from the disk, and no blame for the peer', async () => {
    const error = new PeerError('unreachable', 'no', 'closed at once');
    const exec = tools('crm_mon', 'stonith_admin', 'corosync-quorumtool');
    const report = examine(
      await collect(parts({ exec, ask: () => Promise.reject(error) }), null),
      null,
    );
    assert.equal(report.findings[0]?.id, 'pacemaker-down');
    assert.ok(!report.findings.some(({ id }) => id.startsWith('peer-')));
    assert.deepEqual(report.vms, ['vm1']);
  });

  it('without anything: it still answers', async () => {
    const exec = tools(...Object.keys(PRINTED), 'stonith_admin');
    const answer = await diagnosis(
      parts({
        exec,
        ask: null,
        daemon: { kind: 'down', sentence: 'it is not running', waits: false },
      }),
      null,
      null,
    );
    const report = parseReport(JSON.parse(JSON.stringify(answer.json)));
    assert.deepEqual(
      report?.findings.slice(0, 2).map(({ id }) => id),
      ['remusd-down', 'pacemaker-down'],
    );
    assert.ok(report.findings.some(({ id }) => id === 'no-xen'));
  });

  it('a VM that is not there is said with those that are; a file may be looked at instead', async () => {
    const answer = await diagnosis(parts(), 'vm9', null);
    assert.equal(answer.rc, 1);
    assert.match(answer.reason ?? '', /no VM "vm9" of ocf:xen:remus: it has vm1;/);
    const file = parseReport((await diagnosis(parts(), null, '/etc/xen/new.cfg')).json);
    assert.deepEqual(file?.vms, ['/etc/xen/new.cfg']);
    assert.ok(
      file.findings.some(({ id, vm }) => id === 'config-unreadable' && vm === '/etc/xen/new.cfg'),
    );
    const known = parseReport((await diagnosis(parts(), null, '/etc/xen/vm1.cfg')).json);
    assert.deepEqual(known?.vms, ['vm1']);
  });

  it('more configurations than fit into a frame are asked for in parts', async () => {
    const pairs = Array.from(
      { length: 150 },
      (_, i) =>
        `<primitive id="v${i}" class="ocf" provider="xen" type="remus"><instance_attributes id="i${i}"><nvpair id="n${i}" name="config" value="/etc/xen/v${i}.cfg"/></instance_attributes></primitive>`,
    );
    const xml = `<configuration><crm_config/><nodes><node id="1" uname="pm1"/><node id="2" uname="pm2"/></nodes><resources>${pairs.join('')}</resources></configuration>`;
    const base = tools();
    const exec: Exec = {
      run: async (argv, options) => {
        const result = await base.run(argv, options);
        return argv[0] === 'cibadmin' ? { ...result, stdout: xml } : result;
      },
      spawnDetached: (argv, options) => base.spawnDetached(argv, options),
    };
    const sizes: number[] = [];
    const ask = (name: string, { configs }: FactsRequest) => {
      sizes.push(configs.length);
      return Promise.resolve(
        node(name, { configs: configs.map((path) => ({ path, config: { failed: 'x' } })) }),
      );
    };
    const facts = await collect(parts({ exec, ask }), null);
    assert.deepEqual(sizes, [64, 64, 22]);
    assert.equal(facts.nodes[1]?.facts?.configs.length, 150);
  });

  it('the clock of a peer: the middle of both ways', () => {
    const clock = clockOf({ received_ms: 13_010, sent_ms: 13_510 }, 10_000, 10_530);
    assert.deepEqual(clock, { ahead_ms: 2_995, give_ms: 15 });
  });

  it('knows a remusd by its command line', () => {
    const yes = [
      ['/usr/bin/node', '/usr/sbin/remusd'],
      ['node', '/work/dist/daemon/main.js', '--listen', 'x'],
    ];
    const no = [
      ['vi', 'daemon.ts'],
      ['node', '/usr/sbin/remusctl', 'doctor'],
      ['grep', 'x', '/usr/sbin/remusd'],
      [],
    ];
    assert.deepEqual([...yes, ...no].map(isRemusd), [true, true, false, false, false, false]);
  });
});

describe('doctor: validate-all', () => {
  const rcOf = (facts: Parameters<typeof firstError>[0], level: number, vm = vm1) =>
    firstError(facts, vm, level)?.rc ?? 0;

  it('finds nothing in a healthy cluster, on any level', () => {
    assert.deepEqual(
      [10, 20].map((level) => rcOf(healthy, level)),
      [0, 0],
    );
  });

  it('level 10: what this node can see by itself', () => {
    const bad = withNode('pm1', { modules: { sch_plug: false } });
    assert.deepEqual(
      [0, 10, 20].map((level) => rcOf(bad, level)),
      [0, OCF.ERR_INSTALLED, OCF.ERR_INSTALLED],
    );
    assert.match(firstError(bad, vm1, 10)?.sentence ?? '', /sch_plug.*remusctl doctor$/);
    assert.equal(rcOf(withConfig({ vifs: ['vifname=x'] }), 10), OCF.ERR_ARGS);
  });

  it('a kernel that cannot hold output counts, unless nothing of the VM is held', () => {
    const bad = withNode('pm1', { modules: { ifb: false, act_mirred: false } });
    const unheld = { ...vm1, netbuf_off: true };
    for (const vms of [[unheld], [unheld, { ...vm1, resource: 'vm2' }]])
      assert.equal(rcOf({ ...bad, vms }, 20, unheld), 0);
    const other = { ...vm1, resource: 'vm2' };
    assert.equal(rcOf({ ...bad, vms: [unheld, other] }, 20, other), OCF.ERR_INSTALLED);
  });

  it('level 20: what its peers say, too', () => {
    assert.deepEqual(
      [10, 20].map((level) => rcOf(withConfig({ digest: 'b' }, 'pm2'), level)),
      [0, OCF.ERR_INSTALLED],
    );
  });

  it('a disk that is written to counts, unless the VM may have one', () => {
    const bad = withConfig({ disks: ['/dev/a,raw,xvda'] });
    const levels = [0, 10, 20].map((level) => rcOf(bad, level));
    assert.deepEqual(levels, [0, OCF.ERR_ARGS, OCF.ERR_ARGS]);
    const on_purpose = { ...vm1, unsafe_disks: true };
    assert.equal(rcOf({ ...bad, vms: [on_purpose] }, 20, on_purpose), 0);
  });

  it('fencing counts unless the VM may do without; warnings and other VMs never', () => {
    const bad = withNode('pm1', { can_fence: { pm2: [] } });
    assert.equal(rcOf(bad, 20), OCF.ERR_CONFIGURED);
    assert.equal(rcOf(bad, 20, { ...vm1, allow_unfenced: true }), 0);
    assert.equal(rcOf(withVm({ resource: 'vm2', clone: null }), 20), 0);
  });
});
