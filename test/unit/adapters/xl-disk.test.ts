/** Every spelling of xl-disk-configuration(5): what may be ahead of the memory, and what it is called. */
import assert from 'node:assert/strict';
import { mayBeAhead, parseDisk, shortName } from '../../../daemon/adapters/xl-disk.js';

type Row = readonly [spec: string, target: string, vdev: string | null];

const WRITABLE: readonly Row[] = [
  // The manual's own four spellings of the same disk.
  ['/dev/vg/guest-volume,,hda', '/dev/vg/guest-volume', 'hda'],
  ['/dev/vg/guest-volume,raw,hda,rw', '/dev/vg/guest-volume', 'hda'],
  ['format=raw, vdev=hda, access=rw, target=/dev/vg/guest-volume', '/dev/vg/guest-volume', 'hda'],
  ['raw:/dev/vg/guest-volume,hda,w', '/dev/vg/guest-volume', 'hda'],
  // Access: rw unless it says otherwise, also when it is there and empty.
  ['/dev/vg/a,raw,xvda', '/dev/vg/a', 'xvda'],
  ['/dev/vg/a,raw,xvda,', '/dev/vg/a', 'xvda'],
  ['/dev/vg/a,raw,xvda,w', '/dev/vg/a', 'xvda'],
  ['vdev=xvda,access=,target=/dev/vg/a', '/dev/vg/a', 'xvda'],
  ['/dev/vg/a,format=qcow2,xvda', '/dev/vg/a', 'xvda'],
  ['format=qcow2,/srv/a.qcow2,xvda,w', '/srv/a.qcow2', 'xvda'],
  [' /dev/vg/a, raw, xvda, rw', '/dev/vg/a', 'xvda'],
  ['\t/dev/vg/a,\n raw, xvda', '/dev/vg/a', 'xvda'],
  // Older spellings: no place for a format.
  ['phy:/dev/vg/x,xvda,w', '/dev/vg/x', 'xvda'],
  ['phy:/dev/vg/x,xvda', '/dev/vg/x', 'xvda'],
  ['file:/srv/a.img,xvda:disk,w', '/srv/a.img', 'xvda'],
  ['tap:aio:qcow2:/srv/a,xvda,w', '/srv/a', 'xvda'],
  ['tapdisk:vhd:/srv/a.vhd,xvda,w', '/srv/a.vhd', 'xvda'],
  ['drbd:r0,xvda,w', 'r0', 'xvda'],
  ['iscsi:iqn.2001-05.com.x:y,xvda,w', 'iqn.2001-05.com.x:y', 'xvda'],
  ['nbd:host,xvda,w', 'host', 'xvda'],
  // A script makes no difference: nobody tells it of checkpoints.
  ['script=block-drbd,vdev=xvda,target=r0', 'r0', 'xvda'],
  ['r0,raw,xvda,rw,script=block-drbd-remus', 'r0', 'xvda'],
  ['/dev/drbd1,raw,xvda,rw,backendtype=phy', '/dev/drbd1', 'xvda'],
  ['/dev/vg/a,raw,xvda,rw,backend=storage,discard,direct-io-safe', '/dev/vg/a', 'xvda'],
  ['discard,/dev/vg/a,raw,xvda', '/dev/vg/a', 'xvda'],
  ['/dev/vg/a,raw,xvda,no-discard,untrusted', '/dev/vg/a', 'xvda'],
  // target= takes the rest, whatever it looks like.
  ['vdev=xvda,target=/srv/a,cdrom,access=ro', '/srv/a,cdrom,access=ro', 'xvda'],
  [',raw,xvda,w,target=/srv/r,ro', '/srv/r,ro', 'xvda'],
  // Names that only look like something else.
  ['/srv/a.iso:cdrom,raw,xvda,w', '/srv/a.iso:cdrom', 'xvda'],
  ['/srv/ro,raw,xvda', '/srv/ro', 'xvda'],
  ['ro,raw,xvda', 'ro', 'xvda'],
  ['/dev/vg/a,raw,xvda,devtype=disk', '/dev/vg/a', 'xvda'],
  ['/dev/vg/a,raw,xvda,ro,access=rw', '/dev/vg/a', 'xvda'],
  // What xl would not take is not known to be read only.
  ['/dev/vg/a,raw,xvda,RO', '/dev/vg/a', 'xvda'],
  ['/dev/vg/a,raw,xvda,ro ', '/dev/vg/a', 'xvda'],
  ['/dev/vg/a,raw,xvda,Access=ro', '/dev/vg/a', 'xvda'],
  ['/dev/vg/a,raw,xvda,w,ro', '/dev/vg/a', 'xvda'],
  ['raw,xvda,ro,target=/dev/vg/a', '/dev/vg/a', 'ro'],
  ['/dev/vg/a,raw,ro', '/dev/vg/a', 'ro'],
  ['/dev/vg/a', '/dev/vg/a', null],
  ['', '', null],
];

const SAFE: readonly Row[] = [
  ['/dev/vg/a,raw,xvda,ro', '/dev/vg/a', 'xvda'],
  ['/dev/vg/a,raw,xvda,r', '/dev/vg/a', 'xvda'],
  ['/dev/vg/a,,xvda, r', '/dev/vg/a', 'xvda'],
  ['phy:/dev/vg/a,xvda,r', '/dev/vg/a', 'xvda'],
  ['phy:/dev/vg/a,xvda:disk,ro', '/dev/vg/a', 'xvda'],
  ['format=raw,/dev/vg/a,xvda,r', '/dev/vg/a', 'xvda'],
  ['vdev=xvda, access=ro, target=/dev/vg/a', '/dev/vg/a', 'xvda'],
  ['access=r,vdev=xvda,format=qcow2,target=/srv/a, b.img', '/srv/a, b.img', 'xvda'],
  ['/dev/vg/a,raw,xvda,access=ro,discard', '/dev/vg/a', 'xvda'],
  [',raw,xvda,ro,target=/dev/vg/a', '/dev/vg/a', 'xvda'],
  // A cdrom is read only, whatever its access says: the manual's five spellings, and empty drives.
  ['/root/image.iso,,hdc,cdrom', '/root/image.iso', 'hdc'],
  ['/root/image.iso,,hdc,,cdrom', '/root/image.iso', 'hdc'],
  ['/root/image.iso,raw,hdc,devtype=cdrom', '/root/image.iso', 'hdc'],
  [
    'format=raw, vdev=hdc, access=ro, devtype=cdrom, target=/root/image.iso',
    '/root/image.iso',
    'hdc',
  ],
  ['raw:/root/image.iso,hdc:cdrom,ro', '/root/image.iso', 'hdc'],
  ['/root/image.iso,,hdc,rw,cdrom', '/root/image.iso', 'hdc'],
  ['file:/srv/a.iso,hdc:cdrom,w', '/srv/a.iso', 'hdc'],
  [',hdc:cdrom,r', '', 'hdc'],
  [',,hdc,cdrom', '', 'hdc'],
  ['vdev=hdc,devtype=cdrom', '', 'hdc'],
];

describe('xl disks', () => {
  for (const [rows, ahead] of [
    [WRITABLE, true],
    [SAFE, false],
  ] as const) {
    for (const [spec, target, vdev] of rows) {
      it(`${ahead ? 'may be ahead' : 'safe'}: ${JSON.stringify(spec)}`, () => {
        const disk = parseDisk(spec);
        assert.deepEqual(disk, { target, vdev, writable: ahead });
        assert.equal(mayBeAhead(disk), ahead);
      });
    }
  }

  it('are called as the guest calls them, or else by their content', () => {
    const names = ['/dev/a,raw,xvda', '/dev/a', ''].map((spec) => shortName(parseDisk(spec)));
    assert.deepEqual(names, ['xvda', '/dev/a', 'without a name']);
  });
});
