/** The planted bugs. Each must be found. */
import { cluster } from './cluster.js';
import type { Mutation } from './mutation.js';
import { promotion } from './promotion.js';
import { relay } from './relay.js';
import { taskMutations } from './tasks.js';
import { told } from './told.js';

export const MUTATIONS: readonly Mutation[] = [
  ...cluster,
  ...promotion,
  ...relay,
  ...taskMutations,
  ...told,
];
