/** npm run diagram: writes docs/states.md anew. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { page } from './page.js';

writeFileSync(join(import.meta.dirname, '../../..', 'docs/states.md'), await page());
