#!/bin/sh
# Called by `npm run build`, after tsc: makes the entry points executable and removes what was compiled
# from a source that is gone (tsc leaves it there, and an old test would go on running).
set -eu
cd "$(dirname "$0")/../.."

find dist -name '*.js' -o -name '*.js.map' | while IFS= read -r file; do
  source=${file#dist/}
  source=${source%.map}
  [ -e "${source%.js}.ts" ] || rm -f "$file"
done
for entry in dist/daemon/main.js dist/daemon/relay/*-main.js dist/ctl/main.js; do
  [ ! -e "$entry" ] || chmod 755 "$entry"
done

# The agent carries its metadata, defaults and checks in itself, made from the table in agent/.
node dist/agent/embed-main.js
