import { AGENT, type Sandbox } from './sandbox.js';

const DUMMY = '/usr/lib/ocf/resource.d/heartbeat/Dummy';

/** Milliseconds a call, in the order in which they were made. */
export interface MonitorTimes {
  readonly ours: readonly number[];
  /** The least that an agent in sh does. */
  readonly dummy: readonly number[];
}

/** Times `monitor` of our agent and of ocf:heartbeat:Dummy, one after the other: both meet the same machine. */
export async function monitorTimes(box: Sandbox, runs: number): Promise<MonitorTimes> {
  const ours: number[] = [];
  const dummy: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    ours.push((await box.run([AGENT, 'monitor'])).ms);
    dummy.push((await box.run([DUMMY, 'monitor'])).ms);
  }
  return { ours, dummy };
}
