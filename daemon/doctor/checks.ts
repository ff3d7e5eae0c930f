/** The one table of checks. The report, validate-all and the manual are made from it. */
import type { Check } from './check.js';
import { CLUSTER_CHECKS } from './checks-cluster.js';
import { NODE_CHECKS } from './checks-node.js';
import { VM_CHECKS } from './checks-vm.js';

export const CHECKS: readonly Check[] = [...NODE_CHECKS, ...CLUSTER_CHECKS, ...VM_CHECKS];
