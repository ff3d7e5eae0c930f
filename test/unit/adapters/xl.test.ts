import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { XlError, createXl, stderrExcerpt, xlTimeouts } from '../../../daemon/adapters/xl.js';
import type { XlErrorCode } from '../../../daemon/adapters/xl.js';
import {
  XlRubbish,
  parseInfo,
  parseList,
  parseNetworkList,
} from '../../../daemon/adapters/xl-parse.js';
import { Stubs } from './stubs.js';

const HEADER =
  'Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID                            Reason-Code\tSecurity Label\n';
const UUID = 'd1a0b3c2-0000-4000-8000-00163e770051';
/** As tools/xl/xl_list.c prints it. */
function row(name: string, domid: number, state: string, reason = '-', mem = 96): string {
  const left = `${name.padEnd(40)} ${String(domid).padStart(5)} ${String(mem).padStart(5)} `;
  return `${left}${'1'.padStart(5)}     ${state}  ${'12.3'.padStart(8)} ${UUID} ${reason.padStart(8)} ${'-'.padStart(16)}\n`;
}
const DOM0 = row('Domain-0', 0, 'r-----');

function fails(code: XlErrorCode, sentence: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof XlError, String(error));
    assert.equal(error.code, code, error.sentence);
    assert.match(error.sentence, sentence);
    return true;
  };
}

describe('xl output', () => {
  it('list -v: names, numbers and every state', () => {
    const domains = parseList(
      HEADER +
        DOM0 +
        row('vm1', 7, '-b----') +
        row('vm1--incoming', 8, '--p---') +
        row('vm2', 9, '---ss-', '2') +
        row('vm3', 10, '---s--', '0') +
        row('vm4', 11, '---sc-', '3') +
        row('vm5', 12, '---swd', '4') +
        row('a-name-that-is-longer-than-the-forty-columns-it-gets', 12345, 'r-----', '-', 1234567),
    );
    assert.deepEqual(
      domains.map((d) => [d.name, d.domid, d.state, d.shutdown_reason]),
      [
        ['Domain-0', 0, 'r-----', null],
        ['vm1', 7, '-b----', null],
        ['vm1--incoming', 8, '--p---', null],
        ['vm2', 9, '---ss-', 2],
        ['vm3', 10, '---s--', 0],
        ['vm4', 11, '---sc-', 3],
        ['vm5', 12, '---swd', 4],
        ['a-name-that-is-longer-than-the-forty-columns-it-gets', 12345, 'r-----', null],
      ],
    );
    assert.deepEqual(
      domains.map((d) => [
        d.running,
        d.blocked,
        d.paused,
        d.shutdown,
        d.suspended,
        d.crashed,
        d.dying,
      ]),
      [
        [true, false, false, false, false, false, false],
        [false, true, false, false, false, false, false],
        [false, false, true, false, false, false, false],
        [false, false, false, true, true, false, false],
        [false, false, false, true, false, false, false],
        [false, false, false, true, false, true, false],
        [false, false, false, true, false, false, true],
        [true, false, false, false, false, false, false],
      ],
    );
    assert.deepEqual([domains[7]?.mem_mib, domains[7]?.vcpus], [1234567, 1]);
  });

  it('list -v: also a domain without a name, and a label of a security policy', () => {
    const labelled = DOM0.replace(/ {15}-\n/, ' system_u:system_r:dom0_t\n');
    assert.notEqual(labelled, DOM0);
    const domains = parseList(HEADER + labelled + row('(null)', 5, '-----d'));
    assert.equal(domains[1]?.name, '(null)');
  });

  it('list -v: anything else is rubbish, at every cut', () => {
    const good = HEADER + DOM0 + row('vm1', 7, '-b----');
    const whole = new Set([good.length, (HEADER + DOM0).length]);
    for (let length = 0; length < good.length; length++) {
      if (!whole.has(length))
        assert.throws(() => parseList(good.slice(0, length)), XlRubbish, String(length));
    }
    for (const bad of [
      `${HEADER}${DOM0}what is this\n`,
      HEADER + DOM0 + row('vm1', 7, '-x----'),
      HEADER + DOM0 + row('vm1', 7, '---s--'),
      HEADER + DOM0 + row('vm1', 7, 'r-----', '2'),
      HEADER + row('(null)', 39010, 'r-----'),
      `Name ID\n${DOM0}`,
    ]) {
      assert.throws(() => parseList(bad), XlRubbish, bad);
    }
  });

  it('network-list and info, as a real Xen printed them', () => {
    const real = readFileSync('test/fixtures/xen/12-xl-lifecycle.txt', 'utf8');
    const table = /^Idx BE Mac Addr[^\n]*\n(?:\d[^\n]*\n)*/m.exec(real)?.[0] ?? '';
    assert.deepEqual(parseNetworkList(table), [{ devid: 0, backend_domid: 0 }]);
    assert.throws(() => parseNetworkList('hello\n'), XlRubbish);
    assert.throws(() => parseNetworkList(`${table}hello\n`), XlRubbish);
    const info =
      'host   : xla\nxen_caps : a : b\nvirt_caps  : pv hvm hap gnttab-v1\ntotal_memory  : 2559\nfree_memory : 1250\nxen_major : 4\nxen_minor              : 17\nxen_version : 4.17.7\n';
    assert.deepEqual(parseInfo(info), {
      xen_major: 4,
      xen_minor: 17,
      xen_version: '4.17.7',
      free_memory_mib: 1250,
      total_memory_mib: 2559,
      virt_caps: ['pv', 'hvm', 'hap', 'gnttab-v1'],
    });
    assert.throws(() => parseInfo(''), XlRubbish);
    assert.throws(() => parseInfo(info.replace('1250', 'lots')), XlRubbish);
  });

  it('shortens stderr to what matters', () => {
    assert.equal(
      stderrExcerpt('Parsing config from x\nlibxl: error: a\nb\n'),
      'libxl: error: a; b',
    );
  });

  it('deadlines come from the environment', () => {
    assert.deepEqual(xlTimeouts({}), { create_ms: 30_000, call_ms: 10_000 });
    const env = { REMUS_XL_TIMEOUT_MS: '500', REMUS_XL_CREATE_TIMEOUT_MS: 'soon' };
    assert.deepEqual(xlTimeouts(env), { create_ms: 30_000, call_ms: 500 });
  });
});

describe('xl', () => {
  let stubs: Stubs;
  beforeEach(() => (stubs = new Stubs()));
  afterEach(() => stubs.remove());
  const xl = (timeout = 5000) => createXl(stubs.exec, { create_ms: timeout, call_ms: timeout });

  it('calls xl with the right words', async () => {
    stubs.prints('xl', '');
    await xl().create('/etc/xen/vm 1.cfg');
    await xl().shutdown('vm1');
    await xl().destroy('vm1');
    assert.deepEqual(stubs.calls(), [
      'xl create -e /etc/xen/vm 1.cfg',
      'xl shutdown vm1',
      'xl destroy vm1',
    ]);
  });

  it('a failure says what was run and what xl said', async () => {
    stubs.prints('xl', '', 3, 'Parsing config from /c\nlibxl: error: no kernel\n');
    await assert.rejects(xl().create('/c'), (error) => {
      assert.ok(error instanceof XlError);
      assert.equal(error.code, 'failed');
      assert.equal(
        error.sentence,
        '"xl create -e /c" failed (exit code 3): libxl: error: no kernel',
      );
      assert.equal(error.message, 'xl failed');
      assert.deepEqual(error.argv, ['xl', 'create', '-e', '/c']);
      assert.equal(error.stderr, 'libxl: error: no kernel');
      return true;
    });
    stubs.program('xl', 'kill -SEGV $$');
    await assert.rejects(xl().list(), fails('failed', /killed by SIGSEGV/));
  });

  it('no xl, no Xen, no answer, rubbish', async () => {
    const bare = new Stubs({ alone: true });
    const none = createXl(bare.exec, { create_ms: 1000, call_ms: 1000 });
    await assert.rejects(none.list(), fails('missing', /install xen-utils-common/));
    await assert.rejects(none.create('/c'), fails('missing', /install xen-utils-common/));
    bare.remove();
    stubs.prints(
      'xl',
      '',
      1,
      'xencall: error: Could not obtain handle on privileged command interface: No such file\n',
    );
    await assert.rejects(xl().list(), fails('no-xen', /booted into Xen/));
    stubs.program('xl', 'exec sleep 60');
    await assert.rejects(xl(150).list(), fails('timeout', /did not end within/));
    for (const text of ['', 'rubbish', HEADER, HEADER + DOM0.slice(0, 30), '\0'.repeat(1000)]) {
      stubs.prints('xl', text);
      await assert.rejects(xl().list(), fails('rubbish', /unexpected/));
    }
    await assert.rejects(xl().info(), fails('rubbish', /xen_major/));
  });

  it('destroying what is not there is done', async () => {
    stubs.prints('xl', '', 1, 'vm1 is an invalid domain identifier (rc=-6)\n');
    await xl().destroy('vm1');
    const list = stubs.file('list', HEADER + DOM0);
    stubs.program('xl', `[ "$1" = list ] && exec cat ${list}; echo failed >&2; exit 1`);
    await xl().destroy('vm1');
    stubs.file('list', HEADER + DOM0 + row('vm1', 7, '-----d'));
    await assert.rejects(xl().destroy('vm1'), fails('failed', /xl destroy vm1/));
  });

  /** xl of some version; a resume (by whatever means) replaces list by list.after. */
  function xen(minor: number, after: string): void {
    stubs.file('list', HEADER + DOM0 + row('vm1', 7, '---ss-', '2'));
    stubs.file('list.after', HEADER + DOM0 + after);
    stubs.file('info', `xen_major : 4\nxen_minor : ${minor}\nfree_memory : 1\ntotal_memory : 2\n`);
    stubs.file(
      'help',
      minor >= 19 ? ' resume              Resume a domain from RAM\n' : ' restore   x\n',
    );
    const done = `mv ${stubs.dir}/list.after ${stubs.dir}/list`;
    stubs.program('xl', `case $1 in resume) ${done};; *) exec cat ${stubs.dir}/$1;; esac`);
    stubs.program('python3', `echo "path $PYTHONPATH domid $3" > ${stubs.dir}/python; ${done}`);
  }

  it('resumes by xl where xl can', async () => {
    xen(20, row('vm1', 7, '-b----'));
    await xl().resume(7, 'vm1');
    assert.ok(stubs.calls().includes('xl resume 7'));
  });

  it('resumes by the Python binding where xl cannot', async () => {
    xen(17, row('vm1', 7, '-b----'));
    await xl().resume(7, 'vm1');
    assert.equal(
      readFileSync(`${stubs.dir}/python`, 'utf8'),
      'path /usr/lib/xen-4.17/lib/python domid 7\n',
    );
  });

  it('resume: leaves alone what runs, and does not believe exit code 0', async () => {
    xen(20, row('vm1', 7, '---ss-', '2'));
    await assert.rejects(xl().resume(7, 'vm1'), fails('failed', /still suspended/));
    xen(20, '');
    await assert.rejects(xl().resume(7, 'other'), fails('failed', /not there any more/));
    stubs.file('list', HEADER + DOM0 + row('vm1', 7, 'r-----'));
    stubs.calls();
    await xl().resume(7, 'vm1');
    assert.deepEqual(stubs.calls(), ['xl list -v']);
    xen(17, '');
    stubs.prints('python3', '', 1, "ModuleNotFoundError: No module named 'xen'\n");
    await assert.rejects(xl().resume(7, 'vm1'), fails('unsupported', /xen-utils package/));
  });

  it('names the vifs in dom0, and refuses driver domains', async () => {
    const head = 'Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path\n';
    const vif = (devid: number, be: number) =>
      `${devid}   ${be}  00:16:3e:77:00:5${devid}     ${devid}     4     -1   520/521         /local/domain/${be}/backend/vif/7/${devid}\n`;
    stubs.prints('xl', head + vif(0, 0) + vif(1, 0));
    assert.deepEqual(await xl().vifs(7), ['vif7.0', 'vif7.1']);
    stubs.prints('xl', head);
    assert.deepEqual(await xl().vifs(7), []);
    stubs.prints('xl', head + vif(0, 3));
    await assert.rejects(xl().vifs(7), fails('unsupported', /served by domain 3/));
  });
});
