/** Data for programs: one line, and easier to read on a terminal. */
export function jsonText(data: unknown, terminal: boolean): string {
  return `${JSON.stringify(data, null, terminal ? 2 : 0)}\n`;
}
