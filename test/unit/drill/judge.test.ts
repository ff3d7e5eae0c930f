/** The judging of a drill: each step proven, failing, and not known. */
import assert from 'node:assert/strict';
import { parseDrill } from '../../../ctl/drill-schema.js';
import { DRILL_STEPS, type DrillStep, type DrillStepId } from '../../../ctl/drill.js';
import { judge, judgeAlone } from '../../../daemon/drill/judge.js';
import type { Evidence } from '../../../daemon/drill/proofs.js';
import { NO_RECORD, parseRecord } from '../../../daemon/core/record.js';
import { value } from '../../../daemon/doctor/facts.js';
import { node, view, withNode } from '../doctor/healthy.js';
import {
  doctor,
  evidence,
  mute,
  said,
  watched,
  withCluster,
  withDevices,
  withDoctor,
  withReplica,
  withWatched,
} from './evidence.js';

function stepOf(facts: Evidence, id: DrillStepId): DrillStep {
  const step = judge(facts).steps.find((one) => one.id === id);
  assert.ok(step);
  return step;
}

type Case = readonly [string, Evidence, DrillStep['verdict'], RegExp, string?, string?];

const recordOf = (text: string): Pick<Evidence, 'record' | 'at_dc' | 'at_backup'> => ({
  record: parseRecord(text) ?? NO_RECORD,
  at_dc: { text, took_ms: 1 },
  at_backup: said(text),
});
const live = value(doctor.cluster.live);
assert.ok(live);
const corosync = value(doctor.cluster.corosync);
assert.ok(corosync);
const three = {
  ...{ flags: ['Quorate'], expected_votes: 3, total_votes: 3, quorum: 2, links: [] },
  votes: { '1': 1, '2': 1, '3': 1 },
};
const resources = (more: object) =>
  withCluster({
    live: {
      ok: {
        ...live,
        resources: live.resources.map((one) =>
          one.id === 'vm1' && one.nodes.includes('pm2') ? { ...one, ...more } : one,
        ),
      },
    },
  });
const bridges = (...all: Parameters<typeof said>[0][]) =>
  ({ ...evidence, network: said({ bridges: all }) }) as Evidence;
const words = {
  ...{ state: 'unprotected', words: 'unprotected: paused by the operator' },
  ...{ held: false, netbuf_off: false },
};
const is_protected = {
  ...{ state: 'protected', words: 'protected', hint: null, held: true },
  ...{ netbuf_off: false, acked_age_ms: 140 },
};

const CASES: Readonly<Record<DrillStepId, readonly Case[]>> = {
  protection: [
    [
      'paused',
      { ...evidence, primary: said({ ...words, hint: 'remusctl resume vm1', acked_age_ms: null }) },
      'fails',
      /says "unprotected: paused/,
      'remusctl resume vm1',
    ],
    [
      'no hint',
      { ...evidence, primary: said({ ...words, hint: null, acked_age_ms: null }) },
      'fails',
      /unprotected/,
      'remusctl status vm1',
    ],
    [
      'the record is of somebody else',
      { ...evidence, primary: said(null) },
      'fails',
      /does not know it/,
      'crm_mon -1A',
    ],
    [
      'its remusd is down',
      { ...evidence, primary: mute('pm1: no answer') },
      'unknown',
      /a failover does not need it/,
      'systemctl status remusd',
      'pm1',
    ],
  ],
  output: [
    ['held', evidence, 'ok', /^pm1 holds back what is not acknowledged$/],
    [
      'nothing to hold',
      { ...evidence, primary: said({ ...is_protected, held: false }) },
      'ok',
      /^vm1 has no output that could be held$/,
    ],
    [
      'netbuf=off',
      { ...evidence, primary: said({ ...is_protected, held: false, netbuf_off: true }) },
      'unknown',
      /^promise P3 is not proven and does not hold \(netbuf=off\): a failover may lose what clients have already seen$/,
      'crm_resource -r vm1 -d netbuf',
    ],
    [
      'not protected',
      { ...evidence, primary: said({ ...words, hint: null, acked_age_ms: null }) },
      'unknown',
      /see the step protection/,
    ],
    ['no answer', { ...evidence, primary: mute() }, 'unknown', /see the step protection/],
  ],
  grant: [
    [
      'none',
      { ...evidence, ...recordOf('g=5 primary=pm1 grant=none') },
      'fails',
      /grants no replica: a failover/,
      'remusctl status vm1',
    ],
    [
      'withdrawn',
      { ...evidence, ...recordOf('g=5 primary=pm1 withdrawn=pm2/5/ab12cd34 grant=none') },
      'fails',
      /\(that of pm2\/5\/ab12cd34 ended\)/,
    ],
    [
      'the backup is behind',
      { ...evidence, at_backup: said('g=4 primary=pm2 grant=none') },
      'fails',
      /the CIB of pm2 has another record/,
      'cibadmin --query --scope crm_config --node pm2',
    ],
    ['the backup has none', { ...evidence, at_backup: said(null) }, 'fails', /"none" and not "g=5/],
    [
      'another session',
      withWatched({ replica: { generation: 5, session: 'ffffffff' } }),
      'fails',
      /is granted, and pm2 has 5\/ffffffff/,
    ],
    [
      'the CIB of the backup is mute',
      { ...evidence, at_backup: mute() },
      'unknown',
      /the CIB of pm2 cannot be read/,
    ],
    [
      'nobody says what is there',
      { ...evidence, replica: mute() },
      'unknown',
      /not known what pm2 has/,
    ],
    [
      'the word of remusd is all there is',
      withReplica({ receiver: mute() }),
      'ok',
      /^pm2\/5\/ab12cd34: in the CIB/,
    ],
  ],
  remusd: [
    [
      'down',
      { ...evidence, backup: mute('no address published') },
      'fails',
      /^remusd on pm2 cannot be asked: no address/,
      'systemctl start remusd',
      'pm2',
    ],
    [
      'not started there',
      { ...evidence, backup: said(null) },
      'fails',
      /vm1 is not started there/,
      'crm_resource --why -r vm1',
    ],
  ],
  receiver: [
    ['gone', withReplica({ processes: said([]) }), 'fails', /^pm2 has no receiver of vm1/],
    [
      'stopped',
      withReplica({
        processes: said([{ pid: 200, kind: 'receiver', state: 'T' }]),
        receiver: mute(),
      }),
      'fails',
      /process 200, is stopped by a signal/,
      'kill -CONT 200',
      'pm2',
    ],
    [
      'hangs',
      withReplica({ receiver: mute('it does not answer') }),
      'fails',
      /^the receiver on pm2 is there, and cannot be heard: it does not answer/,
      'remusctl resync vm1',
    ],
    ['first copy', withWatched({ phase: 'first-copy' }), 'fails', /it says "first-copy"/],
    ['no connection', withWatched({ connected: false }), 'ok', /ready, not connected$/],
    [
      'of a former release',
      { ...evidence, replica: mute('remusd on pm2 is of a former release') },
      'unknown',
      /does not show what it holds: remusd on pm2 is of a former/,
    ],
  ],
  xl: [
    [
      'gone',
      withReplica({ processes: said([{ pid: 200, kind: 'receiver', state: 'S' }]) }),
      'fails',
      /^pm2 has no xl migrate-receive/,
    ],
    [
      'ended meanwhile',
      withReplica({ processes: said([{ pid: 201, kind: 'xl migrate-receive', state: null }]) }),
      'fails',
      /no xl migrate-receive/,
    ],
    [
      'traced',
      withReplica({ processes: said([{ pid: 201, kind: 'xl migrate-receive', state: 't' }]) }),
      'fails',
      /stopped/,
      'kill -CONT 201',
      'pm2',
    ],
    [
      '/proc is mute',
      withReplica({ processes: mute() }),
      'unknown',
      /processes of pm2 cannot be listed/,
    ],
  ],
  domain: [
    ['gone', withReplica({ domains: said([]) }), 'fails', /^pm2 has no domain vm1--incoming/],
    [
      'runs',
      withReplica({ domains: said([{ name: 'vm1--incoming', domid: 3, paused: false }]) }),
      'fails',
      /is not paused/,
      'xl list',
      'pm2',
    ],
    [
      'the VM itself',
      withReplica({ domains: said([{ name: 'vm1', domid: 4, paused: false }]) }),
      'fails',
      /has the domain vm1 itself/,
    ],
    [
      'xl is mute',
      withReplica({ domains: mute() }),
      'unknown',
      /the hypervisor of pm2 cannot be asked/,
    ],
  ],
  checkpoints: [
    [
      'stand still',
      withWatched({ complete: 88, watched_ms: 6_700 }),
      'fails',
      /for 6.7 s no other one has come$/,
      'remusctl status vm1',
      'pm1',
    ],
    [
      'cut off',
      withWatched({ complete: 88, watched_ms: 1_000, connected: false }),
      'fails',
      /pm1 is not connected/,
    ],
    [
      'the interval is long',
      withReplica({
        interval_ms: 60_000,
        receiver: said({ ...watched, complete: 88, watched_ms: 15_000 }),
      }),
      'unknown',
      /may be still for longer \(interval 1 min 0 s/,
    ],
    [
      'another phase',
      withWatched({ complete: 88, phase: 'ended' }),
      'fails',
      /is not fed: "ended"/,
    ],
    ['nobody answers', withReplica({ receiver: mute() }), 'unknown', /cannot be watched/],
    ['without an age', { ...evidence, primary: mute() }, 'ok', /^from 88 to 90 on pm2 in 410 ms$/],
  ],
  rule: [
    [
      'withdrawn',
      { ...evidence, ...recordOf('g=5 primary=pm1 grant=none') },
      'fails',
      /would start vm1 anew: the replica here is not granted/,
    ],
    [
      'refuses',
      { ...withReplica({ on_no_replica: 'refuse', held: null, receiver: mute() }) },
      'fails',
      /would start vm1 nowhere: no replica here/,
    ],
    ['unseen', { ...evidence, replica: mute() }, 'unknown', /see the step receiver/],
  ],
  quorum: [
    [
      'lost',
      withCluster({ live: { ok: { ...live, quorum: false } } }),
      'fails',
      /no quorum now/,
      'corosync-quorumtool -s',
    ],
    [
      'two nodes without two_node',
      withCluster({ corosync: { ok: { ...corosync, flags: ['Quorate'], quorum: 2 } } }),
      'fails',
      /without pm1 1 of 2 votes are left, and 2 are needed/,
      'remusctl doctor',
    ],
    [
      'three nodes',
      withCluster({ corosync: { ok: three } }),
      'ok',
      /without pm1 2 of 3 votes are left, and 2 are needed/,
    ],
    [
      'three, one is off',
      withCluster({ corosync: { ok: { ...three, total_votes: 2 } } }),
      'fails',
      /1 of 2 votes/,
    ],
    [
      'a tie breaker',
      withCluster({ corosync: { ok: { ...three, total_votes: 2, flags: ['AutoTieBreaker'] } } }),
      'unknown',
      /for corosync to say/,
    ],
    [
      'ignored',
      withCluster({
        configuration: {
          ok: {
            ...value(doctor.cluster.configuration),
            properties: { 'no-quorum-policy': 'ignore' },
          } as never,
        },
      }),
      'ok',
      /"ignore"/,
    ],
    [
      'votes unseen',
      withCluster({ corosync: { ok: { ...three, votes: {} } } }),
      'unknown',
      /how many votes pm1 has/,
    ],
    [
      'corosync is mute',
      withCluster({ corosync: { failed: 'it is down' } }),
      'unknown',
      /corosync: it is down/,
    ],
    ['no doctor', { ...evidence, doctor: mute() }, 'unknown', /could not be looked at/],
  ],
  fencing: [
    [
      'off',
      withCluster({ live: { ok: { ...live, stonith_enabled: false } } }),
      'fails',
      /fencing is off/,
      'crm_attribute --name stonith-enabled --update true',
    ],
    [
      'no device',
      { ...evidence, ...withDevices() },
      'fails',
      /^no fence device on pm2 can fence pm1/,
      'remusctl doctor',
    ],
    [
      'a mute device',
      { ...evidence, ...withDevices({ id: 'fence-pm1', monitor: mute('timed out') }) },
      'fails',
      /does not answer its monitor: timed out/,
      'stonith_admin --query fence-pm1',
      'pm2',
    ],
    [
      'one of two answers',
      {
        ...evidence,
        ...withDevices({ id: 'a', monitor: mute() }, { id: 'b', monitor: said(true) }),
      },
      'ok',
      /^b on pm2 can fence pm1/,
    ],
    [
      'on a third node',
      {
        ...evidence,
        fencing: [
          ...withDevices().fencing,
          { node: 'pm3', proof: said({ devices: { ok: [{ id: 'c', monitor: said(true) }] } }) },
        ],
      },
      'ok',
      /^c on pm3/,
    ],
    [
      'a third node is mute',
      { ...evidence, fencing: [...withDevices().fencing, { node: 'pm3', proof: mute('older') }] },
      'unknown',
      /not known: pm3: older$/,
      'stonith_admin --list pm1',
      'pm2',
    ],
    [
      'only a watchdog',
      { ...evidence, ...withDevices({ id: 'watchdog', monitor: mute() }) },
      'unknown',
      /by its watchdog/,
    ],
    [
      'has failed',
      withCluster({
        fence_events: {
          ok: [{ target: 'pm1', action: 'reboot', status: 'failed', completed: 'now' }],
        },
      }),
      'fails',
      /last attempt to fence pm1 has failed \(now\)/,
      'stonith_admin --history pm1 --verbose',
    ],
  ],
  scheduler: [
    [
      'elsewhere',
      { ...evidence, scheduler: said({ kind: 'nowhere' }) },
      'fails',
      /^if pm1 were lost, it would promote vm1 nowhere$/,
      'crm_simulate -sL',
    ],
    [
      'for a reason',
      {
        ...withCluster({ live: { ok: { ...live, maintenance_mode: true } } }),
        scheduler: said({ kind: 'node', node: 'pm1' }),
      },
      'fails',
      /have vm1 on pm1: the cluster is in maintenance mode/,
      'crm_attribute --name maintenance-mode --update false',
    ],
    ['mute', { ...evidence, scheduler: mute() }, 'unknown', /scheduler cannot be asked/],
  ],
  agent: [
    ['not there', resources({ nodes: [] }), 'fails', /Pacemaker has no vm1 on pm2/],
    [
      'failed',
      resources({ failed: true }),
      'fails',
      /has failed on pm2/,
      'crm_resource --cleanup --resource vm1 --node pm2',
    ],
    [
      'unmanaged',
      resources({ managed: false }),
      'fails',
      /does not manage vm1 on pm2: vm1 is not managed/,
      'pcs resource manage vm1   (or: crm resource manage vm1)',
    ],
    [
      'in maintenance',
      withCluster({
        live: {
          ok: {
            ...live,
            maintenance_mode: true,
            resources: live.resources.map((one) => ({ ...one, managed: false })),
          },
        },
      }),
      'fails',
      /the cluster is in maintenance mode$/,
      'crm_attribute --name maintenance-mode --update false',
    ],
    ['another role', resources({ role: 'Stopped' }), 'fails', /as Stopped/, 'crm_mon -1A'],
    ['the older word', resources({ role: 'Slave' }), 'ok', /as Slave on pm2/],
    [
      'Pacemaker is mute',
      withCluster({ live: { failed: 'down' } }),
      'unknown',
      /cannot be asked: down/,
    ],
  ],
  machine: [
    [
      'a module is missing',
      withDoctor({ nodes: withNode('pm2', { modules: { ifb: false } }).nodes }),
      'fails',
      /The kernel of pm2 neither has nor can load ifb$/,
      'modprobe -a ifb',
      'pm2',
    ],
    [
      'of the other node that is no matter',
      withDoctor({ nodes: withNode('pm1', { modules: { ifb: false } }).nodes }),
      'ok',
      /512 MiB/,
    ],
    [
      'no xl',
      withDoctor({ nodes: withNode('pm2', { xen: { failed: 'no Xen' } }).nodes }),
      'fails',
      /no Xen that can be asked: no Xen$/,
    ],
    [
      'not seen',
      withDoctor({
        nodes: [
          view(node('pm1')),
          view(node('pm2'), { facts: null, problem: { kind: 'older', sentence: 'it is older' } }),
        ],
      }),
      'unknown',
      /pm2 could not be looked at: it is older/,
    ],
    ['no such VM', withDoctor({ vms: [] }), 'unknown', /configuration of vm1 is not known/],
  ],
  network: [
    [
      'no bridge',
      bridges(),
      'fails',
      /pm2 has no bridge xenbr0/,
      'ip link add xenbr0 type bridge && ip link set xenbr0 up',
      'pm2',
    ],
    [
      'down',
      bridges({ name: 'xenbr0', up: false, uplinks: [] }),
      'fails',
      /is down/,
      'ip link set xenbr0 up',
      'pm2',
    ],
    [
      'no link',
      bridges({ name: 'xenbr0', up: true, uplinks: [{ name: 'eth2', link: false }] }),
      'fails',
      /has no link at eth2/,
      'ip -brief link show master xenbr0',
      'pm2',
    ],
    ['inside only', bridges({ name: 'xenbr0', up: true, uplinks: [] }), 'ok', /nothing but guests/],
    ['not seen', { ...evidence, network: mute() }, 'unknown', /cannot be looked at/],
  ],
};

describe('a drill, judged', () => {
  it('everything is proven: it works, and what no judge can say is said', () => {
    const found = judge(evidence);
    assert.deepEqual(
      found.steps.filter(({ verdict }) => verdict !== 'ok'),
      [],
    );
    assert.deepEqual(
      found.steps.map(({ id }) => id),
      Object.keys(DRILL_STEPS),
    );
    assert.deepEqual(parseDrill(JSON.parse(JSON.stringify(found))), found);
    const { verdict, from, to, generation, checkpoint, checkpoint_age_ms } = found;
    assert.deepEqual([verdict, from, to], ['works', 'pm1', 'pm2']);
    assert.deepEqual([generation, checkpoint, checkpoint_age_ms], [5, 90, 140]);
    assert.deepEqual(
      found.steps.filter(({ fix }) => fix !== undefined),
      [],
    );
    assert.match(
      found.unproven.join('\n'),
      /pm1 really goes off .*last fenced 2026-11-21 09:00:00Z: success/,
    );
  });

  for (const [id, cases] of Object.entries(CASES) as [DrillStepId, readonly Case[]][])
    for (const [name, facts, verdict, what, fix, on] of cases)
      it(`${id}: ${name}`, () => {
        const step = stepOf(facts, id);
        assert.equal(step.verdict, verdict, step.what);
        assert.match(step.what, what);
        assert.ok(!step.what.endsWith('.'), 'a sentence without its full stop');
        if (fix !== undefined) assert.equal(step.fix, fix);
        if (on !== undefined) assert.equal(step.on, on);
        if (verdict === 'fails') assert.ok(step.fix !== undefined, 'says what to type');
      });

  it('what fails is worse than what is not known', () => {
    const open = { ...evidence, scheduler: mute() };
    assert.equal(judge(open).verdict, 'unknown');
    assert.equal(judge({ ...open, ...withDevices() }).verdict, 'fails');
  });

  it('disks are for a failover to prove', () => {
    const config = {
      ok: {
        ...value(node('pm2').configs[0]?.config ?? { failed: '' }),
        disks: ['/dev/vg/vm1,raw,xvda,rw'],
      },
    };
    const configs = [{ path: '/etc/xen/vm1.cfg', config: config as never }];
    const nodes = [view(node('pm1', { configs })), view(node('pm2', { configs }))];
    const { unproven } = judge(withDoctor({ nodes }));
    assert.match(
      unproven.join('\n'),
      /that pm2 can open \/dev\/vg\/vm1, and that its file system bears/,
    );
    const untried = judge(withCluster({ fence_events: { ok: [] } })).unproven.join('\n');
    assert.match(untried, /nobody has been seen to fence it/);
  });

  it('a VM that no other node has', () => {
    const { resource, here, from, at_dc, primary } = evidence;
    const found = judgeAlone({ resource, here, from, at_dc, primary, record: evidence.record });
    assert.deepEqual([found.verdict, found.to], ['fails', null]);
    assert.deepEqual(
      found.steps.map((step) => [step.id, step.verdict]),
      [
        ['protection', 'ok'],
        ['grant', 'fails'],
      ],
    );
    assert.notEqual(parseDrill(found), null);
  });
});
