/** Changes what a driver hears of the world. */
import type { Event } from '../../../daemon/core/event.js';
import type { VmDriver } from '../../../daemon/driver.js';
import type { Machine } from '../machine/machine.js';

const twisted = new WeakSet<VmDriver>();

/** Once for each driver. */
export function hears(twist: (event: Event, machine: Machine, driver: VmDriver) => Event) {
  return (driver: VmDriver, machine: Machine): void => {
    if (twisted.has(driver)) return;
    twisted.add(driver);
    const post = driver.post.bind(driver);
    driver.post = (event) => post(twist(event, machine, driver));
  };
}
