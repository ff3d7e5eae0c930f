/**
 * Build step: bring what is made from the tables up to date: parts of ocf/remus, its manual page and docs/metrics.md, which
 * are kept in the clone, and dist/share, which is installed as /usr/share.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { completion } from '../ctl/completion.js';
import { manualPage as remusctlPage } from '../ctl/manual.js';
import { manualPage as remusdPage } from '../daemon/manual.js';
import { page as metricsPage } from '../daemon/metrics/page.js';
import { manualPage as agentPage } from './manual.js';
import { embed } from './script.js';

const clone = join(import.meta.dirname, '../..');

function update(file: string, make: (before: string) => string): void {
  const path = join(clone, file);
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const after = make(before);
  mkdirSync(dirname(path), { recursive: true });
  // An unchanged file is left alone: a node of the lab may be running it.
  if (after !== before) writeFileSync(path, after);
}

update('ocf/remus', embed);
update('ocf/ocf_xen_remus.7', agentPage);
update('docs/metrics.md', metricsPage);
update('dist/share/man/man8/remusctl.8', remusctlPage);
update('dist/share/man/man8/remusd.8', remusdPage);
update('dist/share/bash-completion/completions/remusctl', completion);
