#!/bin/sh
# Prints the shell scripts of this tree, one a line: what has a sh or bash shebang. For shellcheck.
cd "$(dirname "$0")/../.." || exit 1
find . -type f -size -200k \
  ! -path './node_modules/*' ! -path './dist/*' ! -path './.git/*' ! -path './test/fixtures/*' ! -name '*.ts' ! -name '*.md' \
  -exec awk 'FNR == 1 { if ($0 ~ /^#! ?\/(usr\/)?bin\/(env )?(sh|bash|dash)( |$)/) print FILENAME; nextfile }' {} + | sort
