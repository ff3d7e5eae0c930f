/** The way of the histograms: from a sender's control socket to the daemon that shows them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../../daemon/adapters/clock.js';
import { DataPlane } from '../../../daemon/data-plane.js';
import { roomsFrom } from '../../../daemon/rooms.js';
import { PRIMARY } from './facts.js';

describe("a sender's histograms", () => {
  it('are known while it is watched, and no longer', async () => {
    const run = mkdtempSync(join(tmpdir(), 'remus-line-'));
    const rooms = roomsFrom({ REMUS_RUNDIR: run, REMUS_STATEDIR: run }, run);
    mkdirSync(join(run, 'vm1'));
    const { histograms } = PRIMARY;
    const server = createServer((socket) => {
      const line = { v: 1, role: 'sender', type: 'histograms', histograms };
      socket.end(`{"v":1,"type":"later"}\n${JSON.stringify(line)}\n`);
    });
    server.listen(join(run, 'vm1/sender.sock'));
    await once(server, 'listening');
    const plane = new DataPlane(rooms, 'vm1', systemClock, () => assert.fail('no state was said'));
    const known = () => plane.histograms;
    try {
      assert.equal(known(), null);
      plane.watchSender({ generation: 1, session: 'ab12cd34' });
      for (let n = 0; n < 200 && known() === null; n += 1) await sleep(10);
      assert.deepEqual(known(), histograms);
      plane.closeSender();
      assert.equal(known(), null);
    } finally {
      plane.dispose();
      server.close();
      rmSync(run, { recursive: true });
    }
  });
});
