import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { XlConfigError, parseXlConfig, readXlConfig } from '../../../daemon/adapters/xl-config.js';
import type { XlConfigErrorCode } from '../../../daemon/adapters/xl-config.js';
import { Stubs } from './stubs.js';

const SMALL = 'name = "vm1"\nmemory = 96\n';
const parse = (text: string) => parseXlConfig(text, '/etc/xen/vm1.cfg');

function fails(code: XlConfigErrorCode, sentence: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof XlConfigError, String(error));
    assert.equal(error.code, code);
    assert.match(error.sentence, sentence);
    return true;
  };
}

describe('xl config', () => {
  it('a usual file', () => {
    const config = parse(`# a guest
name = "vm1"
type = 'pvh'          # the type
kernel = "/root/guest/vmlinux"; ramdisk = "/root/guest/initrd.gz"
extra = "console=hvc0 # not a comment"
memory = 0x100
vcpus = 1
vif = [
  "mac=00:16:3e:77:00:51,bridge=xenbr0",   # first
  'bridge=xenbr1',

]
disk = [ 'phy:/dev/vg/vm1,xvda,w' ]
on_reboot = "destroy"
`);
    const { digest, ...rest } = config;
    assert.match(digest, /^[0-9a-f]{64}$/);
    assert.deepEqual(rest, {
      path: '/etc/xen/vm1.cfg',
      name: 'vm1',
      type: 'pvh',
      memory_mib: 256,
      vifs: ['mac=00:16:3e:77:00:51,bridge=xenbr0', 'bridge=xenbr1'],
      vif_count: 2,
      disks: ['phy:/dev/vg/vm1,xvda,w'],
      on_poweroff: 'destroy',
      on_reboot: 'destroy',
      on_crash: 'destroy',
      on_watchdog: 'destroy',
    });
  });

  it("xl's defaults", () => {
    const config = parse(SMALL);
    assert.deepEqual(
      [config.type, config.on_poweroff, config.on_reboot, config.on_crash, config.vif_count],
      ['pv', 'destroy', 'restart', 'destroy', 0],
    );
    assert.equal(parse(`${SMALL}builder="hvm"`).type, 'hvm');
    assert.equal(parse(`${SMALL}vif="bridge=b"`).vif_count, 1);
    assert.equal(parse('name="a";maxmem=64').memory_mib, 64);
  });

  it('strings with escapes, +=, the last setting counts', () => {
    assert.equal(parse(String.raw`name="v\x6d\061"` + '\nmemory=1').name, 'vm1');
    const more = parse(`${SMALL}vif = ["a"]\nvif += ["b"]\nname="x"\nname+='y'\n`);
    assert.deepEqual([more.vifs, more.name], [['a', 'b'], 'xy']);
  });

  it('the digest sees what the file says, not how', () => {
    const digest = parse(SMALL).digest;
    assert.equal(parse("# c\n memory=96 ;name = 'vm1'").digest, digest);
    for (const other of ['memory = 97\nname="vm1"', `${SMALL}vcpus=2`, `${SMALL}vif=[]`]) {
      assert.notEqual(parse(other).digest, digest);
    }
  });

  it('broken files: line and reason', () => {
    for (const [text, line] of [
      ['name = "vm1\nmemory=1', 1],
      ['name = vm1', 1],
      ['memory = 1\n\nname "vm1"', 3],
      ['vif = [ "a"\nmemory = 1', 2],
      ['vif = [ "a" "b" ]', 1],
      ['a = 1 b = 2', 1],
      ['a = 12abc', 1],
      ['= 1', 1],
      ['a =', 1],
      ['a = ]', 1],
      [`a = ${'['.repeat(50)}`, 1],
      ['\0', 1],
      ['{"json": 1}', 1],
    ] as const) {
      assert.throws(() => parse(text), fails('syntax', new RegExp(`line ${line}: `)), text);
    }
    assert.throws(() => parse('#'.repeat(2_000_000)), fails('syntax', /larger than/));
  });

  it('what is no regular file is not read: it might have no end (found with a fuzzer)', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'remus-xl-config-'));
    try {
      execFileSync('mkfifo', [join(dir, 'fifo')]);
      writeFileSync(join(dir, 'large.cfg'), SMALL + '#'.repeat(3 << 20));
      const says = fails('unreadable', /cannot be read: it is not a regular file$/);
      for (const path of ['/dev/zero', dir, join(dir, 'fifo')])
        await assert.rejects(readXlConfig(path), says);
      await assert.rejects(readXlConfig(join(dir, 'large.cfg')), fails('syntax', /larger than/));
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('unusable values name the setting', () => {
    for (const [text, says] of [
      ['memory=1', /name is missing/],
      ['name="vm1"', /memory must be/],
      ['name="vm1"\nmemory=0', /memory must be/],
      ['name="vm1"\nmemory="much"', /memory must be a whole/],
      ['name="vm 1"\nmemory=1', /name must be letters/],
      ['name="-rf"\nmemory=1', /name must be letters/],
      ['name="../x"\nmemory=1', /name must be letters/],
      ['name="17"\nmemory=1', /not only digits/],
      ['name="a--incoming"\nmemory=1', /--incoming/],
      ['name=["vm1"]\nmemory=1', /not a list/],
      [`${SMALL}type="vm"`, /type must be/],
      [`${SMALL}on_crash="explode"`, /on_crash must be one of/],
    ] as const) {
      assert.throws(() => parse(text), fails('value', says), text);
    }
  });

  it('never throws anything else, whatever the bytes', () => {
    const pieces = [
      'name',
      '=',
      '"vm1"',
      '[',
      ']',
      ',',
      '\n',
      ';',
      '+=',
      '1',
      "'",
      '"',
      '\\',
      '#',
      ' ',
    ];
    let seed = 7;
    for (let round = 0; round < 2000; round++) {
      let text = '';
      for (let i = 0; i < 12; i++) {
        seed = (seed * 1103515245 + 12345) & 0x7fffffff;
        text += pieces[(seed >> 8) % pieces.length] ?? '';
      }
      try {
        parse(text);
      } catch (error) {
        assert.ok(error instanceof XlConfigError, `${JSON.stringify(text)}: ${String(error)}`);
      }
    }
  });

  it('files: missing, a directory, a relative path', async () => {
    const stubs = new Stubs();
    try {
      assert.equal((await readXlConfig(stubs.file('vm.cfg', SMALL))).name, 'vm1');
      await assert.rejects(readXlConfig(`${stubs.dir}/none.cfg`), fails('missing', /copy it here/));
      await assert.rejects(readXlConfig(stubs.dir), fails('unreadable', /regular/));
      await assert.rejects(readXlConfig('vm1.cfg'), fails('value', /whole path/));
    } finally {
      stubs.remove();
    }
  });
});
