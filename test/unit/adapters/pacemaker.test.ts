import assert from 'node:assert/strict';
import { chmodSync, readFileSync, renameSync, rmSync } from 'node:fs';
import {
  ClusterError,
  clusterTimeouts,
  createCluster,
} from '../../../daemon/adapters/pacemaker.js';
import { parseNvpair } from '../../../daemon/adapters/pacemaker-xml.js';
import type { ClusterErrorCode } from '../../../daemon/adapters/pacemaker.js';
import { Stubs } from './stubs.js';

const fixture = (name: string) => readFileSync(`test/fixtures/pacemaker/${name}`, 'utf8');

/** As `cibadmin --empty` prints it. */
const EMPTY_CIB = `<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0">
  <configuration><crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>`;

function fails(code: ClusterErrorCode, sentence: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof ClusterError, String(error));
    assert.equal(error.code, code, error.sentence);
    assert.match(error.sentence, sentence);
    return true;
  };
}

describe('pacemaker', () => {
  let stubs: Stubs;
  beforeEach(() => (stubs = new Stubs()));
  afterEach(() => stubs.remove());
  const cluster = (timeout = 5000) =>
    createCluster(stubs.exec, { call_ms: timeout, fence_ms: timeout });

  it('status from real XML, whole and reduced', async () => {
    for (const name of ['crm_mon.xml', 'crm_mon-status.xml']) {
      stubs.prints('crm_mon', fixture(name));
      const status = await cluster().status();
      const pm1 = { name: 'pm1', online: true, unclean: false, standby: false };
      const rest = { maintenance: false, pending: false };
      assert.deepEqual(status, {
        nodes: [
          { ...pm1, ...rest, is_dc: true },
          { ...pm1, ...rest, name: 'pm2', is_dc: false },
        ],
        ...{ dc: 'pm1', dc_version: '2.1.5-a3f44794f94' },
        quorum: true,
        stonith_enabled: true,
        maintenance_mode: false,
      });
    }
    assert.match(
      stubs.calls()[0] ?? '',
      /^crm_mon -1 --output-as=xml --include=none,dc,options,nodes$/,
    );
  });

  it('status: no DC, a node unclean, remote nodes, an option under its newer name', async () => {
    const xml = fixture('crm_mon-status.xml')
      .replace(/<current_dc [^>]*>/, '<current_dc present="false"/>')
      .replace('stonith-enabled="true"', 'fencing-enabled="true"')
      .replace(/(name="pm2" .*)unclean="false"/, '$1unclean="true"')
      .replace(/(<node name="pm1".*\n)/, '$1$1')
      .replace(/type="member"/, 'type="remote"');
    stubs.prints('crm_mon', xml);
    const status = await cluster().status();
    assert.deepEqual([status.dc, status.quorum, status.stonith_enabled], [null, false, true]);
    assert.deepEqual(
      status.nodes.map((node) => [node.name, node.unclean]),
      [
        ['pm1', false],
        ['pm2', true],
      ],
    );
    stubs.prints('crm_mon', xml.replace(/<nodes>.*<\/nodes>/s, '<nodes/>'));
    assert.deepEqual((await cluster().status()).nodes, []);
  });

  it('rubbish of every kind is an error value', async () => {
    const good = fixture('crm_mon-status.xml');
    for (const text of [
      '',
      '   ',
      'Segmentation fault',
      '<a/>',
      '<a',
      good.slice(0, 700),
      good.replace('online="true"', 'online="maybe"'),
      good.replace(/stonith-enabled="true"/, ''),
      good.replace('<nodes>', '<nodes><node/>'),
      '\0\xff',
    ]) {
      stubs.prints('crm_mon', text);
      await assert.rejects(
        cluster().status(),
        fails('rubbish', /printed something unexpected/),
        text,
      );
    }
    stubs.program('crm_mon', 'head -c 5000000 /dev/zero | tr "\\0" "<"');
    await assert.rejects(cluster().status(), fails('rubbish', /larger than 2 MiB/));
  });

  it('missing, hanging, stopped, refusing tools', async () => {
    const bare = new Stubs({ alone: true });
    await assert.rejects(createCluster(bare.exec).status(), fails('missing', /install pacemaker/));
    bare.remove();
    stubs.program('crm_mon', 'trap "" TERM; sleep 60');
    await assert.rejects(cluster(150).status(), fails('timeout', /gave no answer within/));
    stubs.prints('crm_mon', '', 102, 'crm_mon: Connection to cluster failed: Connection refused\n');
    await assert.rejects(cluster().status(), fails('not-running', /systemctl start pacemaker/));
    stubs.prints(
      'crm_simulate',
      '',
      66,
      'crm_simulate: CIB query failed: Input file not available\n',
    );
    await assert.rejects(cluster().plannedPromotion('st'), fails('not-running', /systemctl start/));
    stubs.prints('cibadmin', '', 106, 'Call cib_replace failed: No quorum\n');
    await assert.rejects(
      cluster().swapRecord('vm1', 'g=0', 'g=1'),
      fails('no-quorum', /corosync-quorumtool/),
    );
    stubs.prints('crm_resource', '', 64, 'crm_resource: No such resource\n');
    await assert.rejects(cluster().fail('vm1', 'pm1', 'x'), fails('refused', /No such resource/));
  });

  it('the local node, asked once', async () => {
    stubs.prints('crm_node', 'pm1\n');
    const one = cluster();
    assert.equal(await one.localNode(), 'pm1');
    assert.equal(await one.localNode(), 'pm1');
    assert.deepEqual(stubs.calls(), ['crm_node -n']);
    for (const text of ['', 'two words\n', '../x']) {
      stubs.prints('crm_node', text);
      await assert.rejects(cluster().localNode(), fails('rubbish', /no node name/));
    }
  });

  it('attributes: all, none, written, deleted', async () => {
    stubs.prints('attrd_updater', fixture('attrd_query.xml'));
    assert.deepEqual(
      [...(await cluster().attribute('xlr-state'))],
      [
        ['pm1', 'replicating'],
        ['pm2', 'receiving'],
      ],
    );
    for (const rc of [78, 105]) {
      stubs.prints(
        'attrd_updater',
        '',
        rc,
        'Could not query value of nosuch: attribute does not exist\n',
      );
      assert.equal((await cluster().attribute('nosuch')).size, 0);
    }
    stubs.prints('attrd_updater', '');
    await assert.rejects(cluster().attribute('x'), fails('rubbish', /nothing was printed/));
    stubs.calls();
    await cluster().setAttribute('pm1', '#remus-peer', '10.0.0.1:7900 sha256:ab');
    await cluster().setAttribute('pm1', 'remus-vm1', null);
    assert.deepEqual(stubs.calls(), [
      'attrd_updater --node pm1 --name #remus-peer --update=10.0.0.1:7900 sha256:ab',
      'attrd_updater --node pm1 --name remus-vm1 --delete',
    ]);
    await assert.rejects(cluster().setAttribute('pm1', 'a', 'b\nc'), fails('refused', /control/));
    await assert.rejects(
      cluster().setAttribute('pm1', 'a', 'b'.repeat(2000)),
      fails('refused', /long/),
    );
  });

  it('promotion scores', async () => {
    stubs.prints('crm_attribute', '');
    await cluster().setPromotionScore('vm1', 'pm2', 100);
    stubs.prints('crm_attribute', '', 105, 'No such device or address\n');
    await cluster().setPromotionScore('vm1', 'pm2', null);
    const start = 'crm_attribute --promotion=vm1 --node pm2 --lifetime reboot';
    assert.deepEqual(stubs.calls(), [`${start} --update=100`, `${start} --delete`]);
    await assert.rejects(cluster().setPromotionScore('vm1', 'pm2', 1), fails('refused', /failed/));
    assert.equal(await cluster().hasPromotionScore('vm1', 'pm2'), false);
    stubs.prints('crm_attribute', '1000\n');
    assert.equal(await cluster().hasPromotionScore('vm1', 'pm2'), true);
    assert.equal(stubs.calls().at(-1), `${start} --query --quiet`);
    stubs.prints('crm_mon', fixture('crm_mon-status.xml'));
    stubs.prints('cibadmin', '<nvpair id="status-2-master-vm1" name="master-vm1" value="1000"/>');
    assert.equal(await cluster().hasPromotionScore('vm1', 'pm2', 'dc'), true);
    assert.match(
      stubs.calls().at(-1) ?? '',
      /@uname='pm2'\]\/transient_attributes\/\/nvpair\[@name='master-vm1'\] --node pm1 --timeout 4$/,
    );
    stubs.prints('cibadmin', '', 105, 'Call failed: No such device or address\n');
    assert.equal(await cluster().hasPromotionScore('vm1', 'pm2', 'dc'), false);
  });

  it('what the CIB has of a node: its attribute, what is shown as degraded; attributes written into it again', async () => {
    stubs.prints('cibadmin', '<nvpair id="x" name="#remus-peer" value="10.77.1.2:7900"/>');
    const seen = async (): Promise<readonly [boolean, readonly string[]]> => {
      const { attribute, degraded } = await cluster().statusInCib('pm2', '#remus-peer');
      return [attribute, [...degraded]];
    };
    const pair = '<nvpair id="x" name="#remus-peer" value="10.77.1.2:7900"/>';
    stubs.prints('cibadmin', pair);
    assert.deepEqual(await seen(), [true, []]);
    assert.match(
      stubs.calls().at(-1) ?? '',
      /--local --xpath \/cib\/status\/node_state\[@uname='pm2'\]\/transient_attributes\/\/nvpair\[@name='#remus-peer'\] \| .* --timeout 4$/,
    );
    stubs.prints('cibadmin', '', 105, 'Call failed: No such device or address\n');
    assert.deepEqual(await seen(), [false, []]);
    const one = (id: string) => `<lrm_rsc_op id="${id}_last_failure_0" rc-code="191"/>`;
    stubs.prints('cibadmin', one('vm1'));
    assert.deepEqual(await seen(), [false, ['vm1']]);
    stubs.prints('cibadmin', `<xpath-query>${one('vm1')}${pair}${one('my.vm-2')}</xpath-query>`);
    assert.deepEqual(await seen(), [true, ['vm1', 'my.vm-2']]);
    stubs.prints('attrd_updater', '');
    await cluster().resendAttributes();
    assert.equal(stubs.calls().at(-1), 'attrd_updater --refresh');
  });

  it('records: written, read at a node and at the DC, absent, unanswered', async () => {
    stubs.prints('cibadmin', '');
    const set = "/cib/configuration/crm_config/cluster_property_set[@id='remus-records']";
    assert.equal(await cluster().swapRecord('vm1', 'g=4', 'g=5 primary=pm1 grant=none'), true);
    assert.deepEqual(stubs.calls(), [
      `cibadmin --replace --xpath ${set}/nvpair[@name='remus-record-vm1' and @value='g=4'] --xml-text <nvpair id="remus-records-remus-record-vm1" name="remus-record-vm1" value="g=5 primary=pm1 grant=none"/> --timeout 4`,
    ]);
    stubs.prints('cibadmin', '', 105, 'Call cib_replace failed: No such device or address\n');
    assert.equal(await cluster().swapRecord('vm1', null, 'g=1'), false);
    stubs.calls();
    const pair =
      '<nvpair id="remus-records-remus-record-vm1" name="remus-record-vm1" value="g=5 &lt;&amp;&quot;"/>';
    stubs.prints('cibadmin', `${pair}\n`);
    assert.equal(await cluster().readRecord('vm1', { node: 'pm2' }), 'g=5 <&"');
    stubs.prints('crm_mon', fixture('crm_mon-status.xml'));
    assert.equal(await cluster().readRecord('vm1', 'dc'), 'g=5 <&"');
    const calls = stubs.calls();
    assert.match(
      calls[0] ?? '',
      /^cibadmin --query --xpath .*@name='remus-record-vm1'\] --node pm2 --timeout 4$/,
    );
    assert.match(calls[2] ?? '', /--node pm1 --timeout 4$/);
    stubs.prints('cibadmin', `<xpath-query>${pair}</xpath-query>`);
    assert.equal(await cluster().readRecord('vm1', 'dc'), 'g=5 <&"');
    stubs.prints('cibadmin', `<xpath-query>${pair}${pair}</xpath-query>`);
    await assert.rejects(cluster().readRecord('vm1', 'dc'), fails('rubbish', /2 times/));
    stubs.prints('cibadmin', '', 105, 'Call failed: No such device or address\n');
    assert.equal(await cluster().readRecord('vm1', { node: 'pm2' }), null);
    stubs.prints('cibadmin', '', 124, 'Call cib_query failed: Timer expired\n');
    await assert.rejects(
      cluster().readRecord('vm1', { node: 'pm2' }),
      fails('timeout', /no answer/),
    );
    stubs.prints('cibadmin', '');
    await assert.rejects(cluster().readRecord('vm1', { node: 'pm2' }), fails('rubbish', /nothing/));
    for (const id of ["x']|//*['", '', '-x', 'a b']) {
      await assert.rejects(
        cluster().readRecord(id, 'dc'),
        fails('refused', /cannot be a resource/),
      );
      await assert.rejects(
        cluster().swapRecord(id, null, 'x'),
        fails('refused', /cannot be a resource/),
      );
    }
  });

  it('records on the real cibadmin: swapped where they are as expected, whatever has been typed into them', async () => {
    // Names of this process alone: a remusd that another test has started ends late writers of its own VM's record, on the whole machine.
    const [vm, other] = [`vm${process.pid}`, `other${process.pid}`];
    const cib = stubs.file('cib.xml', EMPTY_CIB);
    chmodSync(cib, 0o600);
    const run: typeof stubs.exec.run = (argv, o) =>
      stubs.exec.run(argv, { ...o, env: { ...o.env, CIB_file: cib } });
    const real = createCluster({ ...stubs.exec, run });
    const read = async () => {
      const found = await run(
        ['cibadmin', '-Q', '--xpath', `//nvpair[@name='remus-record-${vm}']`],
        {
          timeout_ms: 5000,
        },
      );
      return parseNvpair(found.stdout, `remus-record-${vm}`).catch(() => null);
    };
    const typed = ['g=1 primary=pm1 grant=none', `it's`, `"so" & <so>`, `it's "so"`, '', 'end'];
    assert.equal(await real.swapRecord(vm, 'another', 'x'), false);
    assert.equal(await real.swapRecord(other, null, 'of another VM'), true);
    let before: string | null = null;
    for (const text of typed) {
      assert.equal(await real.swapRecord(vm, 'another', 'x'), false, text);
      assert.equal(await real.swapRecord(vm, before, text), true, text);
      assert.equal(await read(), text);
      if (before !== null) assert.equal(await real.swapRecord(vm, null, 'x'), false, text);
      before = text;
    }
    assert.equal(await real.swapRecord(other, 'of another VM', 'still there'), true);
  });

  it('where it is promoted', async () => {
    stubs.prints('crm_mon', fixture('crm_mon.xml'));
    assert.deepEqual(await cluster().promotedOn('st'), ['pm1']);
    assert.deepEqual(await cluster().promotedOn('fence1'), []);
    assert.deepEqual(await cluster().promotedOn('nothing'), []);
    stubs.prints('crm_mon', '<pacemaker-result');
    await assert.rejects(cluster().promotedOn('st'), fails('rubbish', /crm_mon/));
  });

  it('the revision of the configuration: another when the CIB is written anew, none without it', async () => {
    const cib = stubs.file('cib.xml', '<cib/>');
    const watched = createCluster(stubs.exec, { call_ms: 5000, fence_ms: 5000 }, cib);
    const first = await watched.revision();
    assert.equal(await watched.revision(), first);
    renameSync(stubs.file('cib.new', '<cib/>'), cib);
    assert.notEqual(await watched.revision(), first);
    rmSync(cib);
    assert.equal(await watched.revision(), null);
    assert.deepEqual(stubs.calls(), []);
  });

  it('a pause: written, taken back, read at a node and at the DC', async () => {
    stubs.prints('crm_attribute', '');
    const pause = 'true at=2026-11-23T12:00:00Z by=root why=storage work';
    await cluster().writePause('vm1', pause);
    await cluster().writePause('vm1', null);
    const set = 'crm_attribute --type crm_config --set-name remus-records --name remus-paused-vm1';
    assert.deepEqual(stubs.calls(), [`${set} --update=${pause}`, `${set} --delete`]);
    stubs.prints('crm_attribute', '', 105, 'No such device or address\n');
    await cluster().writePause('vm1', null);
    stubs.prints('crm_mon', fixture('crm_mon-status.xml'));
    const pair = (value: string): string =>
      `<nvpair id="remus-records-remus-paused-vm1" name="remus-paused-vm1" value="${value}"/>`;
    stubs.prints('cibadmin', pair('true by=root why=it&apos;s &lt;late&gt;'));
    assert.equal(await cluster().readPause('vm1', 'dc'), "true by=root why=it's <late>");
    assert.match(stubs.calls().at(-1) ?? '', /@name='remus-paused-vm1'\] --node pm1 --timeout 4$/);
    stubs.prints('cibadmin', pair('false'));
    assert.equal(await cluster().readPause('vm1', 'pm2'), null);
    stubs.prints('cibadmin', '', 105, 'Call failed: No such device or address\n');
    assert.equal(await cluster().readPause('vm1', 'pm2'), null);
    stubs.prints('cibadmin', '', 124, 'Call cib_query failed: Timer expired\n');
    await assert.rejects(cluster().readPause('vm1', 'pm2'), fails('timeout', /no answer/));
    await assert.rejects(
      cluster().writePause('a b', 'true'),
      fails('refused', /cannot be a resource/),
    );
    await assert.rejects(cluster().writePause('vm1', 'true\n'), fails('refused', /control char/));
  });

  it('a pause that is over: taken out where it is still that one', async () => {
    stubs.prints('cibadmin', '');
    await cluster().endPause('vm1', `true why=it's "late"`);
    assert.match(
      stubs.calls().at(-1) ?? '',
      /^cibadmin --delete --xpath .*@name='remus-paused-vm1' and @value=concat\('true why=it',"'",'s "late"'\)\] --timeout 4$/,
    );
    stubs.prints('cibadmin', '', 105, 'Call failed: No such device or address\n');
    await cluster().endPause('vm1', 'true');
    stubs.prints('cibadmin', '', 106, 'Call failed: No quorum\n');
    await assert.rejects(cluster().endPause('vm1', 'true'), fails('no-quorum', /quorum/));
  });

  it('where the scheduler means to promote', async () => {
    for (const [name, planned] of [
      ['no-change', { kind: 'node', node: 'pm1' }],
      ['node-fail', { kind: 'node', node: 'pm2' }],
      ['swap', { kind: 'node', node: 'pm2' }],
      ['demote-only', { kind: 'nowhere' }],
      ['stop', { kind: 'nowhere' }],
    ] as const) {
      stubs.prints('crm_simulate', fixture(`crm_simulate-${name}.xml`));
      assert.deepEqual(await cluster().plannedPromotion('st'), planned, name);
    }
    await assert.rejects(
      cluster().plannedPromotion('vm9'),
      fails('refused', /crm_resource --list/),
    );
    const swap = fixture('crm_simulate-swap.xml');
    const tail = '</pacemaker-result>\n';
    for (const text of [
      '',
      swap.slice(0, -40),
      swap.replaceAll('revised_', ''),
      `<revised_cluster_status>${tail}`,
    ]) {
      stubs.prints('crm_simulate', text);
      await assert.rejects(cluster().plannedPromotion('st'), fails('rubbish', /unexpected/));
    }
    const both = swap.replaceAll('role="Unpromoted"', 'role="Promoted"');
    stubs.prints('crm_simulate', both);
    await assert.rejects(cluster().plannedPromotion('st'), fails('rubbish', /several nodes/));
    stubs.prints(
      'crm_simulate',
      swap.replaceAll('id="st"', 'id="st:0"').replaceAll('"Promoted"', '"Master"'),
    );
    assert.deepEqual(await cluster().plannedPromotion('st'), { kind: 'node', node: 'pm2' });
  });

  it('leaves a stale degraded to a Pacemaker that would put it back with an election', async () => {
    stubs.prints('cibadmin', '');
    for (const [version, cleared] of [
      ['2.1.4-x', true],
      ['2.0.9', true],
      ['2.1.6-1', false],
      ['2.2.0', false],
      ['3.0.0-3.0.0', false],
      ['what', false],
    ] as const) {
      const text = fixture('crm_mon-status.xml').replace('2.1.5-a3f44794f94', version);
      stubs.prints('crm_mon', text);
      const one = cluster();
      for (let times = 0; times < 3; times++) await one.clearDegraded('vm1', 'pm1');
      const calls = stubs.calls();
      assert.equal(calls.filter((call) => call.startsWith('cibadmin')).length, cleared ? 3 : 0);
      if (!cleared) assert.equal(calls.length, 1, 'it is asked for its version once');
    }
  });

  it('fails a resource, clears a stale degraded, fences', async () => {
    for (const tool of ['crm_resource', 'stonith_admin']) stubs.prints(tool, '');
    stubs.prints('cibadmin', '', 105, 'No such device or address');
    stubs.prints('crm_mon', fixture('crm_mon-status.xml'));
    await cluster().fail('vm1', 'pm1', 'it broke');
    await cluster().clearDegraded('vm1', 'pm1');
    await cluster(20_000).fence('pm2');
    const calls = stubs.calls().filter((call) => !call.startsWith('crm_mon'));
    assert.equal(calls[0], 'crm_resource --fail --resource vm1 --node pm1');
    assert.match(
      calls[1] ?? '',
      /^cibadmin --delete --xpath .*vm1_last_failure_0' and \(@rc-code='190' or @rc-code='191'\)\]/,
    );
    assert.equal(calls[2], 'stonith_admin --reboot pm2 --timeout 18');
    stubs.prints('stonith_admin', '', 1, 'Fence agent reported error\n');
    await assert.rejects(
      cluster().fence('pm2'),
      fails('refused', /fencing pm2 did not succeed.*reported error/),
    );
    stubs.program('stonith_admin', 'exec sleep 60');
    await assert.rejects(
      cluster(200).fence('pm2'),
      fails('timeout', /stonith_admin --history pm2/),
    );
  });

  it('deadlines come from the environment', () => {
    const env = { REMUS_CLUSTER_TIMEOUT_MS: '700', REMUS_FENCE_TIMEOUT_MS: '-1' };
    assert.deepEqual(clusterTimeouts(env), { call_ms: 700, fence_ms: 120_000 });
  });
});
