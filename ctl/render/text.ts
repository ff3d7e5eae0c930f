/** Text in columns and lines. */

/** Breaks at spaces so that no line is longer than `width`, where that is possible. */
export function wrap(text: string, width: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join('\n');
}

/** Two columns, indented by two; the second is wrapped within `width`, and begins below a long first. */
export function pairs(rows: readonly (readonly [string, string])[], width: number): string {
  const longest = 34;
  const first = Math.min(longest, Math.max(...rows.map(([left]) => left.length)));
  const indent = ' '.repeat(first + 4);
  return rows
    .map(([left, right]) => {
      const wrapped = wrap(right, width - indent.length).replaceAll('\n', `\n${indent}`);
      return left.length > first
        ? `  ${left}\n${indent}${wrapped}`
        : `  ${left.padEnd(first)}  ${wrapped}`;
    })
    .join('\n');
}

export interface Column {
  readonly title: string;
  readonly right?: true;
}

/** What a cell shows, and how its text is coloured after it has got its width. */
export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

/** Lines of a table: the title first; widths come from the content; no trailing spaces. */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string[] {
  const titles = columns.map((column): Cell => ({ text: column.title }));
  const widths = columns.map((_, index) =>
    Math.max(...[titles, ...rows].map((row) => length(row[index]?.text ?? ''))),
  );
  return [titles, ...rows].map((row) =>
    row
      .map((cell, index) => {
        const gap = ' '.repeat(Math.max(0, (widths[index] ?? 0) - length(cell.text)));
        const shown = cell.paint?.(cell.text) ?? cell.text;
        if (columns[index]?.right === true) return gap + shown;
        return index === columns.length - 1 ? shown : shown + gap;
      })
      .join('  ')
      .trimEnd(),
  );
}

function length(text: string): number {
  return Array.from(text).length;
}
