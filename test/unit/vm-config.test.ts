import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, loadVm, requireReplicable } from '../../daemon/vm-config.js';

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
