/** The bits of troff's man macros that our manual pages are made of. */

/** Text as troff takes it: no control lines, no escapes, hyphens and quotes that can be copied. */
export function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replace(/^\./gm, '\\&.');
}

/** A term and what is to be said about it. */
export function entry(term: string, ...paragraphs: readonly string[]): string {
  return `.TP\n.B ${roff(term)}\n${paragraphs.map(roff).join('\n.IP\n')}`;
}

/** Text that begins a new paragraph at each empty line. */
export function paragraphs(text: string): string {
  return roff(text).replaceAll('\n\n', '\n.PP\n');
}

/** Lines that stay as they are, indented. */
export function example(text: string): string {
  return `.RS 4\n.nf\n${roff(text)}\n.fi\n.RE`;
}

/** `.SH` and what belongs to it. */
export function section(title: string, ...parts: readonly string[]): string {
  return [`.SH ${title}`, ...parts].join('\n');
}
