/** Colours, or none. */

export type Paint = (text: string) => string;

export interface Palette {
  readonly good: Paint;
  readonly warn: Paint;
  readonly bad: Paint;
  readonly faint: Paint;
  readonly strong: Paint;
}

function sgr(code: number): Paint {
  return (text) => `\u001b[${code}m${text}\u001b[0m`;
}

const plain: Paint = (text) => text;

export function palette(color: boolean): Palette {
  if (!color) return { good: plain, warn: plain, bad: plain, faint: plain, strong: plain };
  return { good: sgr(32), warn: sgr(33), bad: sgr(31), faint: sgr(2), strong: sgr(1) };
}
