/** Build step: bring what is made from the tables up to date: parts of ocf/remus, and its manual page. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { manualPage } from './manual.js';
import { embed } from './script.js';

const room = join(import.meta.dirname, '../../ocf');

function update(file: string, make: (before: string) => string): void {
  const path = join(room, file);
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const after = make(before);
  // An unchanged file is left alone: a node of the lab may be running it.
  if (after !== before) writeFileSync(path, after);
}

update('remus', embed);
update('ocf_xen_remus.7', manualPage);
