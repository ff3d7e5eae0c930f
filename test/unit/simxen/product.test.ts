/** What the real tools printed while the product ran on real Xen: our parsers take it, and the simulated ones print the same. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseInfo, parseList, parseNetworkList } from '../../../daemon/adapters/xl-parse.js';
import { guestOf } from '../../../daemon/tasks/hypervisor.js';
import { Host, recorded } from './harness.js';

const ROOM = 'xen-4.20-product';

/** As printed, with all its spaces. */
function printed(file: string, command: string): string {
  const text = readFileSync(join('test/fixtures/xen', ROOM, file), 'utf8');
  const from = text.indexOf(`### ${command}\n`) + command.length + 5;
  return text.slice(from, text.indexOf('\n[rc=', from) + 1);
}

describe('recorded from Xen 4.20 with the product', () => {
  it('both hosts: the VM on the one, its paused replica on the other', () => {
    const [, vm] = parseList(printed('primary.txt', 'xl list -v'));
    assert.deepEqual([vm?.name, vm && guestOf(vm)], ['vm1', { kind: 'running', domid: 2 }]);
    const [, replica] = parseList(printed('backup.txt', 'xl list -v'));
    assert.deepEqual(
      [replica?.name, replica?.paused, replica?.shutdown],
      [...['vm1--incoming', true], false],
    );
  });

  it('a guest in the middle of a checkpoint is suspended, and not ended', () => {
    const [header = ''] = printed('primary.txt', 'xl list -v').split('\n');
    const rows = recorded(`${ROOM}/primary.txt`, '### for i in 1 2 3').slice(0, 8);
    const kinds = rows.map((row) => parseList(`${header}\n${row}\n`).map(guestOf)[0]?.kind);
    assert.deepEqual(new Set(kinds), new Set(['running', 'suspended']));
  });

  it('vifs, of a VM that has some and of a replica that has none yet', () => {
    const vm = printed('primary.txt', 'xl network-list vm1');
    assert.deepEqual(parseNetworkList(vm), [{ devid: 0, backend_domid: 0 }]);
    assert.deepEqual(parseNetworkList(printed('backup.txt', 'xl network-list vm1--incoming')), []);
  });

  it('xl info', () => {
    const info = parseInfo(printed('primary.txt', 'xl info'));
    assert.deepEqual([info.xen_major, info.xen_minor, info.free_memory_mib], [4, 20, 1168]);
    assert.ok(!info.virt_caps.includes('shadow'));
  });

  describe('the simulated xl', () => {
    let host: Host;
    beforeEach(() => (host = new Host('4.20')));
    afterEach(() => host.close());

    for (const command of ['list vm1', 'network-list nosuch', 'domid vm1'])
      it(`says the same of a domain that is not there: xl ${command}`, async () => {
        const { code, stdout, stderr } = await host.xl(...command.split(' '));
        const said = `${stderr}${stdout}`.split('\n').map((line) => line.trimEnd());
        const real = printed('backup.txt', `xl ${command}`).split('\n');
        assert.deepEqual(
          [code, said.filter((line) => line !== '')],
          [1, real.map((line) => line.trimEnd()).filter((line) => line !== '')],
        );
      });
  });
});
