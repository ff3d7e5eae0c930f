/** What an action's exit code means, in words: for logs, the manual and remusctl. */
import { OCF } from '../daemon/core/ocf.js';

export interface Outcome {
  readonly code: number;
  /** The name in the OCF standard, or Pacemaker's. */
  readonly name: string;
  readonly meaning: string;
}

export const OUTCOMES: readonly Outcome[] = [
  {
    code: OCF.SUCCESS,
    name: 'OCF_SUCCESS',
    meaning: 'done; of monitor: Unpromoted, the replica is ready or none is expected yet',
  },
  {
    code: OCF.ERR_GENERIC,
    name: 'OCF_ERR_GENERIC',
    meaning: 'failed, see the exit reason; of monitor: the state could not be found out',
  },
  {
    code: OCF.ERR_ARGS,
    name: 'OCF_ERR_ARGS',
    meaning:
      'a parameter is wrong, or does not fit this node, e.g. the name in the configuration file differs',
  },
  {
    code: OCF.ERR_UNIMPLEMENTED,
    name: 'OCF_ERR_UNIMPLEMENTED',
    meaning: 'there is no such action',
  },
  { code: OCF.ERR_PERM, name: 'OCF_ERR_PERM', meaning: 'not allowed: run as root' },
  {
    code: OCF.ERR_INSTALLED,
    name: 'OCF_ERR_INSTALLED',
    meaning: 'something is missing on this node: xl, socat or the configuration file',
  },
  {
    code: OCF.ERR_CONFIGURED,
    name: 'OCF_ERR_CONFIGURED',
    meaning:
      'of validate-all: a parameter is wrong on every node. No other action says so: Pacemaker would stop the VM where it runs',
  },
  {
    code: OCF.NOT_RUNNING,
    name: 'OCF_NOT_RUNNING',
    meaning: 'the node was looked at, and nothing of the VM is on it',
  },
  {
    code: OCF.RUNNING_PROMOTED,
    name: 'OCF_RUNNING_PROMOTED',
    meaning: 'the VM runs here, and is protected',
  },
  {
    code: OCF.FAILED_PROMOTED,
    name: 'OCF_FAILED_PROMOTED',
    meaning: 'the VM ran here, and has crashed or shut down',
  },
  {
    code: OCF.DEGRADED,
    name: 'PCMK_OCF_DEGRADED',
    meaning: 'Unpromoted, but there is no usable replica here (a probe says 0)',
  },
  {
    code: OCF.DEGRADED_PROMOTED,
    name: 'PCMK_OCF_DEGRADED_PROMOTED',
    meaning: 'the VM runs here without protection (a probe says 8)',
  },
];

/** `OCF_SUCCESS` for 0; a bare number for one that the agent never gives. */
export function outcomeName(code: number): string {
  return OUTCOMES.find((outcome) => outcome.code === code)?.name ?? String(code);
}
