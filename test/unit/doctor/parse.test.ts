/** What the tools print, recorded from the real ones (test/fixtures/doctor/NOTE.md), as facts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import {
  parseCfgtool,
  parseConfiguration,
  parseFenceHistory,
  parseFenceList,
  parseLive,
  parseQuorumtool,
} from '../../../daemon/adapters/cluster-facts-parse.js';
import {
  modulesIn,
  parseBridges,
  parseLinks,
  parseXlConf,
} from '../../../daemon/adapters/host-facts.js';
import { parseInfo } from '../../../daemon/adapters/xl-parse.js';
import { isBridged, isOfDom0, parseVif } from '../../../daemon/doctor/devices.js';
import { MODULES } from '../../../daemon/doctor/facts.js';

const recorded = (name: string): string => readFileSync(`test/fixtures/doctor/${name}`, 'utf8');

describe('doctor: parsers', () => {
  it('crm_mon: nodes with their ids, options, resources with their state', async () => {
    const live = await parseLive(recorded('crm_mon-full.xml'));
    assert.deepEqual(live.members[1], {
      ...{ name: 'pm2', id: '2', online: true, unclean: false, standby: false, pending: false },
      maintenance: false,
    });
    const { quorum, stonith_enabled, maintenance_mode } = live;
    assert.deepEqual([quorum, stonith_enabled, maintenance_mode], [true, true, false]);
    assert.deepEqual(
      live.resources.map(({ id, agent, role, nodes }) => [id, agent, role, ...nodes].join(' ')),
      [
        'fence1 stonith:fence_pmlab Started pm2',
        'fence2 stonith:fence_pmlab Started pm1',
        'st ocf:pmlab:Trace Promoted pm1',
        'st ocf:pmlab:Trace Unpromoted pm2',
      ],
    );
  });

  it('the CIB: properties, fence devices, no VM of ours', async () => {
    const found = await parseConfiguration(recorded('configuration.xml'));
    assert.equal(found.properties['no-quorum-policy'], 'stop');
    assert.deepEqual(found.nodes, ['pm1', 'pm2']);
    assert.deepEqual(found.devices, [
      { id: 'fence1', targets: ['pm1'], delayed: false },
      { id: 'fence2', targets: ['pm2'], delayed: false },
    ]);
    assert.deepEqual(found.vms, []);
  });

  it('the CIB: a VM with its clone and monitors; its record is no property', async () => {
    const found = await parseConfiguration(recorded('configuration-lab.xml'));
    const [vm, ...more] = found.vms;
    assert.deepEqual(more, []);
    assert.equal(vm?.config_path, '/etc/xen/vm1.cfg');
    assert.deepEqual(vm.monitored, ['Promoted', 'Unpromoted']);
    assert.equal(vm.clone?.id, 'vm1-ha');
    assert.equal(vm.clone.meta['promotable'], 'true');
    assert.deepEqual(
      Object.keys(found.properties).filter((name) => name.startsWith('remus')),
      [],
    );
  });

  it('the CIB: templates, a master of old, host maps, delays, constraints of moves by hand', async () => {
    const pair = (name: string, value: string) =>
      `<nvpair id="${name}" name="${name}" value="${value}"/>`;
    const found = await parseConfiguration(`<configuration><crm_config/><nodes>
      <node id="1" uname="a"/><node id="r" uname="far" type="remote"/></nodes><resources>
      <template id="t" class="ocf" provider="xen" type="remus"><operations>
        <op id="o1" name="monitor" interval="10s" role="Master"/><op id="o2" name="monitor" interval="11s"/>
        <op id="o3" name="monitor" interval="0"/></operations></template>
      <master id="m"><primitive id="vm2" template="t"><instance_attributes id="i">
        ${pair('config', '/etc/xen/vm2.cfg')}${pair('allow_unfenced', 'yes')}${pair('unsafe_disks', '1')}${pair('netbuf', 'off')}</instance_attributes></primitive></master>
      <primitive id="f" class="stonith" type="fence_x"><instance_attributes id="j">
        ${pair('pcmk_host_map', 'a:1,2;b:3')}${pair('pcmk_delay_max', '10s')}</instance_attributes></primitive>
      <primitive id="g" class="stonith" type="fence_y"/></resources>
      <constraints><rsc_location id="cli-ban-m-on-a" rsc="m"/><rsc_location id="mine" rsc="m"/></constraints></configuration>`);
    assert.deepEqual(found.nodes, ['a']);
    assert.deepEqual(found.vms, [
      {
        ...{ resource: 'vm2', config_path: '/etc/xen/vm2.cfg', name: null, allow_unfenced: true },
        unsafe_disks: true,
        netbuf_off: true,
        restarts: false,
        clone: { id: 'm', meta: { promotable: 'true' } },
        monitored: ['Promoted', 'Unpromoted'],
      },
    ]);
    assert.deepEqual(found.devices, [
      { id: 'f', targets: ['a', 'b'], delayed: true },
      { id: 'g', targets: null, delayed: false },
    ]);
    assert.deepEqual(found.constraints, [{ id: 'cli-ban-m-on-a', resource: 'm' }]);
  });

  it('the CIB: alerts, with what they are for', async () => {
    const found = await parseConfiguration(`<configuration><resources/><alerts>
      <alert id="all" path="/a"/><alert id="some" path="/b"><select><select_nodes/><select_fencing/></select></alert>
      <alert id="one" path="/c"><select><select_attributes><attribute id="x" name="y"/></select_attributes></select>
        <recipient id="r" value="ops"/></alert></alerts></configuration>`);
    assert.deepEqual(found.alerts, [
      { id: 'all', path: '/a', selected: ['nodes', 'fencing', 'resources'] },
      { id: 'some', path: '/b', selected: ['nodes', 'fencing'] },
      { id: 'one', path: '/c', selected: ['attributes'] },
    ]);
    assert.deepEqual((await parseConfiguration(recorded('configuration.xml'))).alerts, []);
  });

  it('rubbish is an error and no empty configuration', async () => {
    await assert.rejects(parseConfiguration('<cib/>'));
    await assert.rejects(parseLive('<pacemaker-result/>'));
    await assert.rejects(parseFenceHistory(''));
  });

  it('stonith_admin: the history of fencing, and who can be fenced', async () => {
    assert.deepEqual(await parseFenceHistory(recorded('fence-history.xml')), [
      { target: 'pm2', action: 'reboot', status: 'success', completed: '2026-11-22 19:41:15Z' },
    ]);
    const failures = await parseFenceHistory(recorded('fence-history-failed.xml'));
    assert.equal(failures.length, 10);
    assert.ok(failures.every(({ status, target }) => status === 'failed' && target === 'pm2'));
    assert.deepEqual(await parseFenceList(recorded('fence-list.xml')), ['fence2']);
    assert.deepEqual(await parseFenceList(recorded('fence-list-none.xml')), []);
  });

  it('corosync: flags, votes, links', () => {
    const { flags, ...votes } = parseQuorumtool(recorded('corosync-quorumtool.txt'));
    assert.deepEqual(flags, ['2Node', 'Quorate', 'WaitForAll']);
    assert.deepEqual(votes, {
      ...{ expected_votes: 2, total_votes: 2, quorum: 1, links: [] },
      votes: { '1': 1, '2': 1 },
    });
    const device =
      '    Nodeid      Votes    Qdevice Name\n         1          3    A,V,NMW pm1\n         0          1            Qdevice\n';
    assert.deepEqual(parseQuorumtool(device).votes, { '1': 3, '0': 1 });
    const text = recorded('corosync-cfgtool.txt');
    assert.deepEqual(parseCfgtool(text), [{ link: '0', nodeid: '2', state: 'connected' }]);
    assert.deepEqual(
      parseCfgtool(text.replace('\tconnected', '\tdisconnected')).map(({ state }) => state),
      ['disconnected'],
    );
  });

  it('ip: bridges, and ifbs of ours only', () => {
    const links = parseLinks(recorded('ip-link.json'));
    assert.deepEqual(links, { bridges: ['xenbr0'], ifbs: ['rem1.0'] });
    assert.throws(() => parseLinks('{}'));
    const text = recorded('ip-link.json');
    const eth2 = { name: 'eth2', link: true };
    assert.deepEqual(parseBridges(text), [{ name: 'xenbr0', up: true, uplinks: [eth2] }]);
    const down = text.replaceAll('"UP","LOWER_UP"', '"NO-CARRIER"');
    assert.deepEqual(parseBridges(down), [
      { name: 'xenbr0', up: false, uplinks: [{ ...eth2, link: false }] },
    ]);
    assert.throws(() => parseBridges('{}'));
  });

  it('xl info: the command line of the hypervisor', () => {
    assert.match(
      parseInfo(recorded('xl-info-4.20.txt')).commandline ?? '',
      /^dom0_mem=1280M,max:1280M /,
    );
  });

  it("kernel modules: by the kernel's lists, else by its configuration, else not known", () => {
    const modules =
      'kernel/drivers/net/ifb.ko.xz:\nkernel/net/sched/sch_plug.ko: x.ko\nkernel/net/sched/act_mirred.ko\n';
    const all = (value: boolean | null) => Object.fromEntries(MODULES.map((name) => [name, value]));
    assert.deepEqual(modulesIn(MODULES, { modules, config: null }), {
      ...all(false),
      ...{ ifb: true, sch_plug: true, act_mirred: true },
    });
    const config = 'CONFIG_IFB=y\nCONFIG_NET_SCH_INGRESS=m\n# CONFIG_NET_SCH_PLUG is not set\n';
    assert.deepEqual(modulesIn(MODULES, { modules: null, config }), { ...all(false), ifb: true });
    assert.deepEqual(modulesIn(MODULES, { modules: null, config: null }), all(null));
  });

  it('xl.conf', () => {
    assert.deepEqual(parseXlConf('#autoballoon="off"\nvif.default.bridge="xenbr1"\n'), {
      ...{ default_bridge: 'xenbr1', autoballoon: 'auto' },
    });
    assert.equal(parseXlConf("  autoballoon = 'off' # why").autoballoon, 'off');
    assert.equal(parseXlConf('autoballoon=1').autoballoon, 'on');
  });

  it('vifs', () => {
    const vif = parseVif('mac=00:16:3e:00:00:01, bridge=xenbr0,backend=0');
    assert.deepEqual([vif.bridge, isBridged(vif), isOfDom0(vif)], ['xenbr0', true, true]);
    assert.equal(isBridged(parseVif('script=/etc/xen/scripts/vif-bridge')), true);
    assert.equal(isBridged(parseVif('script=vif-route')), false);
    assert.equal(isOfDom0(parseVif('backend=net')), false);
    assert.equal(parseVif('').bridge, null);
  });
});
