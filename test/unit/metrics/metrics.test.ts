import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sentenceOf } from '../../../daemon/adapters/errors.js';
import { page } from '../../../daemon/metrics/page.js';
import { parseMetricsListen } from '../../../daemon/listen.js';
import { parseOptions } from '../../../daemon/options.js';
import { exposition } from '../../../daemon/metrics/exposition.js';
import { heldOf, parsePlugs } from '../../../daemon/metrics/output.js';
import { DAEMON_METRICS, PEER_METRICS, VM_METRICS } from '../../../daemon/metrics/table.js';
import { isUnprotected, Tally } from '../../../daemon/metrics/tally.js';
import { writeTextfile } from '../../../daemon/metrics/textfile.js';
import { initialState, type State } from '../../../daemon/core/state.js';
import type { Executors } from '../../../daemon/tasks/table.js';
import { FACTS, PRIMARY } from './facts.js';
import { check, parse, promtool } from './parse.js';

const ALL = [...DAEMON_METRICS, ...PEER_METRICS, ...VM_METRICS];
const VM1 = { node: 'pm1', vm: 'vm1' };

describe('the table of metrics', () => {
  it('has names by the conventions of Prometheus, each once', () => {
    const names = ALL.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const { name, type, help } of ALL) {
      assert.match(name, /^remus_[a-z]+(_[a-z]+)+$/);
      assert.equal(name.endsWith('_total'), type === 'counter', name);
      assert.doesNotMatch(name, /_(ms|milliseconds|kib|mib)(_|$)/);
      assert.match(help, /^[A-Z0-9].*\.$/, name);
    }
  });

  it('is docs/metrics.md', () => {
    assert.equal(readFileSync('docs/metrics.md', 'utf8'), page(), 'type: npm run build');
  });
});

describe('the exposition', () => {
  it('says every metric, in the format', async () => {
    const text = await exposition(FACTS);
    const { types } = parse(text);
    assert.deepEqual([...types].sort(), ALL.map(({ name, type }) => [name, type]).sort());
    check(text);
  });

  it('counts in seconds, and leaves out what has no meaning', async () => {
    const seen = parse(await exposition(FACTS));
    assert.equal(seen.value('remus_vm_acknowledged_age_seconds', VM1), 0.2125);
    assert.equal(seen.value('remus_vm_acknowledged_age_seconds', { vm: 'vm2' }), null);
    assert.equal(seen.value('remus_vm_suspended_seconds_sum', VM1), 0.018);
    assert.equal(seen.value('remus_vm_suspended_seconds_count', VM1), 3);
    assert.equal(seen.value('remus_vm_suspended_seconds_bucket', { ...VM1, le: '0.005' }), 1);
    assert.equal(seen.value('remus_vm_suspended_seconds_bucket', { ...VM1, le: '0.01' }), 3);
    assert.equal(seen.value('remus_vm_unprotected_seconds_total', VM1), 12.5);
    assert.equal(seen.value('remus_vm_wire_bytes_total', VM1), 250_000);
    assert.equal(seen.value('remus_vm_coding_seconds_total', VM1), 1.25);
    assert.equal(seen.value('remus_vm_receiver_silent_seconds', { vm: 'vm2' }), 1.5);
    assert.equal(seen.value('remus_vm_well', { vm: 'vm2' }), 0);
    assert.equal(seen.value('remus_peer_info', { peer: 'pm2', version: '0.0.9' }), 1);
  });

  it('says of a VM whose output is not held that it is so', async () => {
    const { status } = PRIMARY;
    const unheld = { ...PRIMARY, status: { ...status, held: false, netbuf_off: true as const } };
    const seen = parse(await exposition({ ...FACTS, vms: [unheld] }));
    assert.equal(seen.value('remus_vm_netbuf_off', VM1), 1);
    assert.equal(seen.value('remus_vm_output_held', VM1), 0);
    const well = parse(await exposition(FACTS));
    assert.equal(well.value('remus_vm_netbuf_off', VM1), 0);
    assert.equal(well.value('remus_vm_netbuf_off', { vm: 'vm2' }), null, 'a backup sends nothing');
  });

  it('says nothing of VMs where there are none', async () => {
    const text = await exposition({ ...FACTS, vms: [], peers: [], fencing: null });
    assert.doesNotMatch(text, /remus_(vm|peer|fencing)/);
    check(text);
  });
});

describe('the tally', () => {
  const primary = { kind: 'primary', protection: { kind: 'none', reason: 'x', tag: 0 } };
  const state = (phase: object): State => ({ ...initialState('pm1', 'vm1'), phase }) as State;

  it('counts what has come to a good end, for each VM', async () => {
    const tally = new Tally({ now_ms: () => 0 });
    const done = (): Promise<undefined> => Promise.resolve(undefined);
    const failed = (): Promise<undefined> => Promise.reject(new Error('no'));
    const work = tally.counting({ activate: done, grant: failed } as unknown as Executors);
    const context = { resource: 'vm1', node: 'pm1', config: null };
    await work.activate({ task: 'activate' }, context);
    await work.activate({ task: 'activate' }, context);
    await assert.rejects(Promise.resolve(work.grant({} as never, context)));
    assert.deepEqual([tally.of('vm1').activations, tally.of('vm1').grants], [2, 0]);
    assert.equal(tally.of('vm2').activations, 0);
  });

  it('adds up the time without protection', () => {
    let now_ms = 1000;
    const tally = new Tally({ now_ms: () => now_ms });
    tally.turned(state({ kind: 'stopped' }));
    now_ms += 1000;
    tally.turned(state(primary));
    now_ms += 300;
    tally.turned(state(primary));
    now_ms += 200;
    assert.equal(tally.of('vm1').unprotected_ms, 500);
    tally.turned(state({ kind: 'stopped' }));
    now_ms += 5000;
    assert.equal(tally.of('vm1').unprotected_ms, 500);
  });

  it('takes only a primary without a grant for unprotected', () => {
    assert.equal(isUnprotected(state(primary)), true);
    const protection = { kind: 'protected', run: {} };
    assert.equal(isUnprotected(state({ kind: 'primary', protection })), false);
    assert.equal(isUnprotected(state({ kind: 'idle', reason: '' })), false);
  });
});

describe('held output', () => {
  const text = `qdisc noqueue 0: dev lo root refcnt 2
 Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
qdisc plug 8001: dev rem2.0 root refcnt 2
 Sent 9749 bytes 96 pkt (dropped 3, overlimits 0 requeues 0)
 backlog 3856b 38p requeues 0
qdisc plug 8002: dev rem2.1 root refcnt 2
 Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0)
 backlog 2Mb 1500p requeues 0
`;

  it('is read from tc, for all vifs of the guest', () => {
    const plugs = parsePlugs(text.replaceAll(/(refcnt 2|\))$/gm, '$1 '));
    assert.deepEqual(plugs, parsePlugs(text));
    assert.deepEqual(heldOf(['vif2.0'], plugs), { packets: 38, bytes: 3856, dropped: 3 });
    const both = { packets: 1538, bytes: 3856 + (2 << 20), dropped: 3 };
    assert.deepEqual(heldOf(['vif2.0', 'vif2.1'], plugs), both);
    assert.equal(heldOf(['vif3.0'], plugs), null);
  });
});

describe('the options of the metrics', () => {
  const says =
    (words: RegExp) =>
    (error: unknown): boolean =>
      words.test(sentenceOf(error));

  it('listen on the loopback, or where they say', () => {
    assert.deepEqual(parseMetricsListen('9790'), { address: '127.0.0.1', port: 9790 });
    assert.deepEqual(parseMetricsListen('localhost:9790'), { address: '127.0.0.1', port: 9790 });
    assert.deepEqual(parseMetricsListen('10.1.2.3:1'), { address: '10.1.2.3', port: 1 });
    assert.deepEqual(parseMetricsListen('[::1]:65535'), { address: '::1', port: 65535 });
    for (const wrong of ['', '0', '65536', ':9790', 'pm1:9790', '1.2.3:9790', '[::g]:1', '::1:80'])
      assert.throws(() => parseMetricsListen(wrong), says(/must be PORT \(on 127\.0\.0\.1\), or/));
  });

  it('write only a file that node_exporter reads', () => {
    assert.equal(parseOptions([]).metrics_textfile, null);
    assert.equal(parseOptions(['--metrics-textfile', '/a/b.prom']).metrics_textfile, '/a/b.prom');
    for (const wrong of ['b.prom', '/a/b', ''])
      assert.throws(
        () => parseOptions(['--metrics-textfile', wrong]),
        says(/ends in \.prom, like \/var/),
      );
  });

  it('leave nothing half-written', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'remus-textfile-'));
    try {
      await writeTextfile(join(dir, 'a.prom'), 'one\n');
      await writeTextfile(join(dir, 'a.prom'), 'two\n');
      assert.equal(readFileSync(join(dir, 'a.prom'), 'utf8'), 'two\n');
      assert.deepEqual(readdirSync(dir), ['a.prom']);
      await assert.rejects(writeTextfile(join(dir, 'no/a.prom'), 'one\n'), /ENOENT/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe('examples for Prometheus and Grafana', () => {
  const rules = readFileSync('examples/prometheus-rules.yml', 'utf8');
  const dashboard = readFileSync('examples/grafana-dashboard.json', 'utf8');

  it('name only metrics that there are', () => {
    const names = new Set(ALL.map(({ name }) => name));
    for (const text of [rules, dashboard]) {
      const used = [...text.matchAll(/\bremus_[a-z_]+\b/g)].map(([name]) => name);
      assert.ok(used.length > 5);
      const unknown = used.filter(
        (name) => !names.has(name.replace(/_(bucket|sum|count)$/, '')) && !names.has(name),
      );
      assert.deepEqual(unknown, []);
    }
  });

  it('have rules that promtool takes', function () {
    const said = promtool(['check', 'rules', 'examples/prometheus-rules.yml']);
    if (said === null) this.skip();
    assert.equal(said, '');
  });

  it('have rules each with what to type', () => {
    const alerts = rules.split(/^ +- alert: /m).slice(1);
    assert.ok(alerts.length >= 8);
    for (const alert of alerts)
      assert.match(
        alert,
        /severity: (critical|warning)[\s\S]*summary: .+\n[\s\S]*type: .+\n/,
        alert,
      );
  });

  it('have a dashboard whose panels all ask something', () => {
    const { panels } = JSON.parse(dashboard) as {
      panels: { title: string; type: string; targets?: { expr: string }[] }[];
    };
    assert.ok(panels.length >= 8);
    for (const { title, type, targets } of panels)
      assert.ok(type === 'row' || (targets ?? []).every(({ expr }) => expr !== ''), title);
    assert.ok(existsSync('examples/grafana-dashboard.json'));
  });
});
