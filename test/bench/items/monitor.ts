/** What Pacemaker calls every few seconds for each VM: `monitor`, against an agent that does nothing. */
import { median } from '../../support/median.js';
import { monitorTimes } from '../../unit/ocf/monitor-times.js';
import { Sandbox } from '../../unit/ocf/sandbox.js';
import type { Context, Item, ItemResult } from '../item.js';

const CALLS_A_RUN = 10;
const RC_PROMOTED = 8;

async function run(context: Context): Promise<ItemResult> {
  const box = new Sandbox();
  context.place.cleanup.add(() => box.close());
  await box.serve(() => Promise.resolve({ rc: RC_PROMOTED }));
  const raw = await monitorTimes(box, context.tiny ? 2 : context.runs * CALLS_A_RUN);
  await box.close();
  const ratios = raw.ours.flatMap((ours, i) => ours / (raw.dummy[i] ?? NaN));
  const monitor_ms = median(raw.ours);
  const monitor_vs_heartbeat_dummy = median(ratios);
  const dummy = median(raw.dummy)?.toFixed(1) ?? '-';
  return {
    numbers: { monitor_ms, monitor_vs_heartbeat_dummy },
    rows: [
      {
        what: 'monitor_ms',
        value: `${monitor_ms?.toFixed(1) ?? '-'} (ocf:heartbeat:Dummy ${dummy})`,
      },
      { what: 'monitor_vs_heartbeat_dummy', value: monitor_vs_heartbeat_dummy?.toFixed(2) ?? '-' },
    ],
    raw,
  };
}

export const monitor: Item = { name: 'monitor', title: "the agent's monitor", run };
