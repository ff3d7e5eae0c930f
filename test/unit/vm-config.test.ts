import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OCF } from '../../daemon/core/ocf.js';
import { ConfigError, loadVm, refusalOfDisks, requireReplicable } from '../../daemon/vm-config.js';

describe('vm-config: which guests can be replicated', () => {
  const dir = mkdtempSync(join(tmpdir(), 'remus-cfg-'));
  after(() => rmSync(dir, { recursive: true }));

  async function loaded(type: string): ReturnType<typeof loadVm> {
    const config = join(dir, `${type}.cfg`);
    writeFileSync(config, `name = "vm1"\ntype = "${type}"\nmemory = 96\n`);
    return loadVm('vm1', { config });
  }

  // As `xl info` prints it on Debian 12 and 13 (facts/xen).
  const debian = ['pv', 'hvm', 'hap', 'gnttab-v1', 'gnttab-v2'];

  it('a PV guest where Xen has no shadow paging: refused, with what Xen has and what to do', async () => {
    const pv = await loaded('pv');
    assert.throws(
      () => requireReplicable(pv, debian),
      (error) =>
        error instanceof ConfigError && /type = "pvh" .*virt_caps: pv hvm hap/.test(error.sentence),
    );
  });

  it('a PV guest where Xen has it, and a PVH guest anywhere', async () => {
    requireReplicable(await loaded('pv'), [...debian, 'shadow']);
    requireReplicable(await loaded('pvh'), debian);
  });
});

describe('vm-config: which disks a VM may have', () => {
  const dir = mkdtempSync(join(tmpdir(), 'remus-cfg-'));
  after(() => rmSync(dir, { recursive: true }));

  async function refusal(disk: string, params: Record<string, string> = {}) {
    const config = join(dir, 'vm1.cfg');
    writeFileSync(config, `name = "vm1"\ntype = "pvh"\nmemory = 96\n${disk}\n`);
    return refusalOfDisks(await loadVm('vm1', { config, ...params }));
  }

  it('none, and read-only ones', async () => {
    assert.equal(await refusal(''), null);
    assert.equal(await refusal('disk = []'), null);
    assert.equal(
      await refusal(`disk = [ '/dev/vg/a,raw,xvda,ro', "/srv/x.iso,,hdc,cdrom" ]`),
      null,
    );
  });

  it('one that is written to: refused on this node, with its name and what to type, in what Pacemaker keeps', async () => {
    const error = await refusal(`disk = [ '/srv/x.iso,,hdc,cdrom',\n  "phy:/dev/vg/a,xvda,w", ]`);
    // Not 6: for that Pacemaker stops the VM where it runs (crm_simulate has shown it).
    assert.equal(error?.rc, OCF.ERR_ARGS);
    assert.equal(
      error.sentence,
      'disk xvda would be ahead of the memory after a failover: make it ro, or crm_resource -r vm1 -p mode -v restart',
    );
    assert.ok(error.sentence.length <= 127);
  });

  it('several: as many names as there is room for', async () => {
    const spec = (vdev: string) => `'/dev/vg/${vdev},raw,${vdev},rw'`;
    const two = await refusal(`disk = [ ${spec('xvda')} ]\ndisk += [ ${spec('xvdb')} ]`);
    assert.match(two?.sentence ?? '', /^disks xvda, xvdb would be .*make them ro/);
    assert.ok((two?.sentence ?? '').length <= 127);
    const four = await refusal(`disk = [ ${['xvda', 'xvdb', 'xvdc', 'xvdd'].map(spec).join()} ]`);
    assert.match(four?.sentence ?? '', /^disks xvda, xvdb and 2 more would be/);
  });

  it('with unsafe_disks: any', async () => {
    const disk = `disk = [ 'drbd:r0,xvda,w' ]`;
    assert.notEqual(await refusal(disk, { unsafe_disks: 'false' }), null);
    assert.equal(await refusal(disk, { unsafe_disks: 'true' }), null);
  });

  it('a configuration with such a disk can be read: stop, monitor and reload need it', async () => {
    await assert.doesNotReject(refusal(`disk = [ '/dev/vg/a,raw,xvda,rw' ]`));
  });
});
