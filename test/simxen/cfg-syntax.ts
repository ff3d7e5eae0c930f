/** A value in an xl configuration file. */
export type CfgValue = string | number | readonly CfgValue[];

/** The file does not parse; `line` counts from 1, `near` is the offending text. */
export class CfgSyntaxError extends Error {
  readonly line: number;
  readonly near: string;

  constructor(line: number, near: string) {
    super(`config parsing error near \`${near}'`);
    this.line = line;
    this.near = near;
  }
}

interface Token {
  readonly kind: 'word' | 'string' | 'number' | 'mark' | 'end';
  readonly text: string;
  readonly line: number;
}

const TOKEN =
  /[ \t\r]+|\\\n|#[^\n]*|(?<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?<number>0[xX][0-9a-fA-F]+|[0-9]+\b)|(?<word>[A-Za-z_][A-Za-z0-9_]*)|(?<mark>\+=|[=[\],;\n])/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', a: '\x07' };

function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/g, (_, char: string) => ESCAPES[char] ?? char);
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null)
      throw new CfgSyntaxError(line, text.slice(at, at + 10).split('\n')[0] ?? '');
    for (const kind of ['string', 'number', 'word', 'mark'] as const) {
      const found = match.groups?.[kind];
      if (found !== undefined)
        tokens.push({ kind, text: kind === 'string' ? unquote(found) : found, line });
    }
    line += match[0].split('\n').length - 1;
  }
  tokens.push({ kind: 'end', text: '', line });
  return tokens;
}

class Parser {
  private readonly tokens: readonly Token[];
  private at = 0;

  constructor(text: string) {
    this.tokens = tokenize(text);
  }

  file(): Map<string, CfgValue> {
    const settings = new Map<string, CfgValue>();
    for (;;) {
      while (this.accept('\n') || this.accept(';'));
      const key = this.next();
      if (key.kind === 'end') return settings;
      if (key.kind !== 'word') throw new CfgSyntaxError(key.line, key.text);
      if (!this.accept('=') && !this.accept('+=')) this.fail();
      settings.set(key.text, this.value());
      const after = this.peek();
      if (after.kind !== 'end' && !this.accept('\n') && !this.accept(';')) this.fail();
    }
  }

  private value(): CfgValue {
    const token = this.next();
    if (token.kind === 'string') return token.text;
    if (token.kind === 'number') return Number(token.text);
    if (token.kind === 'mark' && token.text === '[') return this.list();
    throw new CfgSyntaxError(token.line, token.text);
  }

  private list(): CfgValue[] {
    const items: CfgValue[] = [];
    for (;;) {
      while (this.accept('\n'));
      if (this.accept(']')) return items;
      items.push(this.value());
      while (this.accept('\n'));
      if (!this.accept(',') && this.peek().text !== ']') this.fail();
    }
  }

  private accept(mark: string): boolean {
    const token = this.peek();
    if (token.kind !== 'mark' || token.text !== mark) return false;
    this.at++;
    return true;
  }

  private peek(): Token {
    return this.tokens[this.at] ?? { kind: 'end', text: '', line: 0 };
  }

  private next(): Token {
    const token = this.peek();
    this.at++;
    return token;
  }

  private fail(): never {
    const token = this.peek();
    throw new CfgSyntaxError(token.line, token.text);
  }
}

/** Parses the text of an xl configuration file. */
export function parseCfg(text: string): Map<string, CfgValue> {
  return new Parser(text).file();
}
