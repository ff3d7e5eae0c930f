// Exit code 0 when node_modules holds just what package-lock.json names. Plain JavaScript and no
// dependency: it runs before there is any.
const { existsSync, readFileSync } = require('node:fs');

function packages(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}

function matches() {
  const installed = packages('node_modules/.package-lock.json');
  return Object.entries(packages('package-lock.json')).every(([path, wanted]) => {
    if (path === '') return true;
    const found = installed[path];
    // Optional packages are for other systems.
    if (found === undefined) return wanted.optional === true;
    return found.version === wanted.version && existsSync(`${path}/package.json`);
  });
}

try {
  process.exitCode = matches() ? 0 : 1;
} catch {
  process.exitCode = 1;
}
