/** Build step: bring the generated parts of ocf/remus up to date. Usage: node dist/agent/embed-main.js [FILE] */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { embed } from './script.js';

const path = process.argv[2] ?? join(import.meta.dirname, '../../ocf/remus');
const before = readFileSync(path, 'utf8');
const after = embed(before);
// An unchanged file is left alone: a node of the lab may be running it.
if (after !== before) writeFileSync(path, after);
