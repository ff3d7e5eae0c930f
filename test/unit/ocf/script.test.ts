/** What the script says of itself, and what others make of it: schemas, ocf-tester, Pacemaker's own library. */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { metadataXml } from '../../../agent/metadata.js';
import { PARAMETERS } from '../../../agent/parameters.js';
import { embed } from '../../../agent/script.js';
import type { ControlAnswer, ControlRequest } from '../../../daemon/adapters/control-protocol.js';
import { median } from '../../support/median.js';
import { monitorTimes } from './monitor-times.js';
import { AGENT, ROOT, Sandbox, VM } from './sandbox.js';

const fixtures = join(ROOT, 'test/fixtures/ocf');

/** A daemon that only remembers what it was told. */
function simpleDaemon(): (request: ControlRequest) => Promise<ControlAnswer> {
  let monitor = 7;
  const after: Readonly<Record<string, number>> = { start: 0, promote: 8, demote: 0, stop: 7 };
  return ({ action }) => {
    if (action === 'monitor') return Promise.resolve({ rc: monitor });
    monitor = after[action] ?? monitor;
    return Promise.resolve({ rc: 0 });
  };
}

describe('ocf/remus as a script', () => {
  let box: Sandbox;
  beforeEach(() => (box = new Sandbox()));
  afterEach(() => box.close());

  it('holds what the tables say (else: npm run build)', () => {
    const script = readFileSync(AGENT, 'utf8');
    assert.equal(script, embed(script));
    assert.throws(() => embed('#!/bin/sh\n'), /no markers for parameters/);
  });

  it('prints metadata that is valid OCF 1.1, and valid for the old DTD', async () => {
    const ran = await box.agent('meta-data');
    assert.deepEqual([ran.code, ran.stdout], [0, metadataXml()]);
    const file = join(box.dir, 'metadata.xml');
    writeFileSync(file, ran.stdout);
    copyFileSync(join(fixtures, 'ra-api-1.dtd'), join(box.dir, 'ra-api-1.dtd'));
    const rng = await box.run([
      'xmllint',
      '--noout',
      '--relaxng',
      join(fixtures, 'ocf-spec-1.1-ra-api.rng'),
      file,
    ]);
    assert.equal(rng.code, 0, rng.stderr);
    const dtd = await box.run(['xmllint', '--noout', '--valid', file]);
    assert.equal(dtd.code, 0, dtd.stderr);
  });

  it('prints them in an empty environment, too', async () => {
    const ran = await box.run(['env', '-i', AGENT, 'meta-data']);
    assert.deepEqual([ran.code, ran.stderr], [0, '']);
  });

  it('knows its actions', async () => {
    assert.equal((await box.agent('usage')).code, 0);
    for (const action of ['notify', 'migrate_to', 'rubbish']) {
      const ran = await box.agent(action);
      assert.equal(ran.code, 3, action);
      assert.equal(ran.reason, `there is no action "${action}"; to see a VM: remusctl status`);
    }
    const none = await box.agent('');
    assert.deepEqual(
      [none.code, none.reason],
      [3, 'no action was given; to see a VM: remusctl status'],
    );
    assert.equal((await box.agent('monitor', { OCF_RESOURCE_INSTANCE: '' })).code, 2);
    for (const id of ['..', 'a/b', 'a\nb', 'ü', '-a', 'a b']) {
      assert.equal((await box.agent('start', { OCF_RESOURCE_INSTANCE: id })).code, 2, id);
      assert.equal((await box.agent('stop', { OCF_RESOURCE_INSTANCE: id })).code, 0, id);
    }
  });

  it('validates as the daemon does', async () => {
    assert.equal((await box.agent('validate-all')).code, 0);
    const cases: readonly [Record<string, string>, number, RegExp][] = [
      [{ OCF_RESKEY_config: '' }, 6, /^parameter config is missing: it must be an absolute path$/],
      [
        { OCF_RESKEY_config: 'vm1.cfg' },
        6,
        /^parameter config="vm1.cfg" must be an absolute path$/,
      ],
      [
        { OCF_RESKEY_interval: '19' },
        6,
        /^parameter interval="19" must be a whole number of milliseconds from 20 to 60000$/,
      ],
      [{ OCF_RESKEY_interval: '0200' }, 6, /^parameter interval="0200"/],
      [{ OCF_RESKEY_on_no_replica: 'start refuse' }, 6, /must be start or refuse$/],
      [{ OCF_RESKEY_allow_unfenced: 'maybe' }, 6, /must be true or false$/],
      [{ OCF_RESKEY_name: '12' }, 6, /^parameter name="12" must be a domain name/],
      [{ OCF_RESKEY_name: 'a\nb' }, 6, /more than one line/],
      [
        { OCF_RESKEY_intervall: '100' },
        6,
        /^parameter "intervall" is unknown: there are config name/,
      ],
      [{ OCF_RESKEY_name: 'guest2' }, 2, /^name=guest2, but .*vm1.cfg on pm1 says guest1/],
      [
        { OCF_RESKEY_config: '/nowhere/vm1.cfg' },
        5,
        /^\/nowhere\/vm1.cfg cannot be read on pm1: copy/,
      ],
      [
        { OCF_RESKEY_interval: 'x', OCF_RESKEY_shutdown_timeout: 'y' },
        6,
        /interval="x".*; parameter shutdown_timeout="y"/,
      ],
    ];
    for (const [env, code, reason] of cases) {
      for (const action of ['validate-all', 'start']) {
        const ran = await box.agent(action, env);
        // Of a start Pacemaker would take 6 for all nodes, and stop the VM where it runs.
        const said = action === 'start' && code === 6 ? 2 : code;
        assert.equal(ran.code, said, JSON.stringify(env));
        assert.match(ran.reason, reason);
      }
    }
    writeFileSync(box.config, 'memory = 128\n');
    assert.equal((await box.agent('validate-all')).code, 2);
  });

  it('says of netbuf=off what it means, and that is no error', async () => {
    const off = await box.agent('validate-all', { OCF_RESKEY_netbuf: 'off' });
    assert.deepEqual([off.code, off.reason], [0, '']);
    const said = `netbuf=off: what ${VM} sends is not held; a failover may lose what clients have already seen (promise P3 does not hold)`;
    assert.ok(off.stderr.includes(`remus: ${said}\n`), off.stderr);
    assert.doesNotMatch((await box.agent('validate-all')).stderr, /netbuf/);
    const bad = await box.agent('validate-all', { OCF_RESKEY_netbuf: 'maybe' });
    assert.deepEqual([bad.code, bad.reason], [6, 'parameter netbuf="maybe" must be on or off']);
  });

  it('has a check for every parameter', async () => {
    for (const { name } of PARAMETERS) {
      const ran = await box.agent('validate-all', { [`OCF_RESKEY_${name}`]: '\u0001 /' });
      assert.equal(ran.code, 6, name);
    }
  });

  it('says when it cannot make the deep checks', async () => {
    const plain = await box.agent('validate-all');
    assert.match(plain.stderr, /the parameters are valid; remusd is not running/);
    const deep = await box.agent('validate-all', { OCF_CHECK_LEVEL: '10' });
    assert.deepEqual([deep.code, deep.reason.includes('systemctl start remusd')], [1, true]);
  });

  it('passes ocf-tester', async () => {
    await box.serve(simpleDaemon());
    const agent = join(box.dir, 'remus');
    copyFileSync(AGENT, agent);
    const ran = await box.run(['ocf-tester', '-n', VM, '-o', `config=${box.config}`, agent]);
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    assert.match(ran.stdout, /passed all tests/);
    assert.doesNotMatch(ran.stdout, /does not support the (promote|demote|reload)/);
  });

  it('works through the library of Pacemaker', async () => {
    await box.serve(simpleDaemon());
    const cib = join(box.dir, 'cib.xml');
    writeFileSync(cib, offlineCib(box.config));
    // The agent is put where Pacemaker looks, in a mount namespace of its own.
    const step = (args: string) =>
      box.run([
        'unshare',
        '--mount',
        'sh',
        '-c',
        `unset OCF_RESKEY_CRM_meta_interval OCF_RESKEY_config; mount -t tmpfs none /usr/lib/ocf/resource.d && mkdir /usr/lib/ocf/resource.d/xen &&
         cp '${AGENT}' /usr/lib/ocf/resource.d/xen/remus && CIB_file='${cib}' crm_resource ${args}`,
      ]);
    const codes: (number | null)[] = [];
    for (const action of [
      'check',
      'start',
      'promote',
      'check',
      'demote',
      'check',
      'stop',
      'check',
    ]) {
      codes.push((await step(`-r ${VM} --force-${action}`)).code);
    }
    assert.deepEqual(codes, [7, 0, 0, 8, 0, 0, 0, 7]);
    assert.ok(
      box.requests.every(
        ({ resource, params }) => resource === VM && params['config'] === box.config,
      ),
    );
    assert.equal(box.requests[0]?.probe, true);
    const shown = await step('--show-metadata ocf:xen:remus');
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /<parameter name="replication_timeout"/);
  });

  it('answers a monitor about as quickly as ocf:heartbeat:Dummy', async () => {
    await box.serve(() => Promise.resolve({ rc: 8 }));
    const { ours, dummy } = await monitorTimes(box, 20);
    const ms = (times: readonly number[]) => `${median(times)?.toFixed(1)} ms`;
    // Figures, not a limit: the machine is shared.
    console.log(
      `      monitor, median of 20: ocf:xen:remus ${ms(ours)}, ocf:heartbeat:Dummy ${ms(dummy)}`,
    );
    rmSync(box.socket_path, { force: true });
  });
});

function offlineCib(config: string): string {
  return `<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0">
<configuration><crm_config/><nodes><node id="1" uname="pm1"/></nodes><resources><clone id="${VM}-ha">
<meta_attributes id="m"><nvpair id="m1" name="promotable" value="true"/></meta_attributes>
<primitive id="${VM}" class="ocf" provider="xen" type="remus"><instance_attributes id="p">
<nvpair id="p1" name="config" value="${config}"/></instance_attributes></primitive></clone></resources>
<constraints/></configuration><status/></cib>`;
}
