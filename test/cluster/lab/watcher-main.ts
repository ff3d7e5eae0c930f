// The process of the two-copies watcher: watcher-main.js FILE (see watcher.ts).
import { watchLoop } from './watcher.js';

watchLoop(process.argv[2] ?? 'sightings');
