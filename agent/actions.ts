/** The agent's actions as its metadata shows them. Times are seconds. */
export interface Action {
  readonly name: string;
  readonly timeout_s: number;
  readonly monitor?: { readonly interval_s: number; readonly role: 'Promoted' | 'Unpromoted' };
}

// No notify: five more calls before each promote would buy nothing, the daemons speak to each other.
export const ACTIONS: readonly Action[] = [
  { name: 'start', timeout_s: 120 },
  { name: 'stop', timeout_s: 180 },
  { name: 'promote', timeout_s: 120 },
  { name: 'demote', timeout_s: 120 },
  { name: 'monitor', timeout_s: 30, monitor: { interval_s: 10, role: 'Promoted' } },
  { name: 'monitor', timeout_s: 30, monitor: { interval_s: 11, role: 'Unpromoted' } },
  { name: 'validate-all', timeout_s: 30 },
  { name: 'reload-agent', timeout_s: 30 },
  { name: 'meta-data', timeout_s: 5 },
];
