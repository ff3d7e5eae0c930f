/** The grammar of xl's configuration files: text to settings. */

export type Value = string | readonly Value[];
export type Settings = ReadonlyMap<string, Value>;

/** The text is not in the language; `line` counts from 1. */
export class XlSyntaxError extends Error {
  readonly line: number;
  constructor(message: string, line: number) {
    super(message);
    this.name = 'XlSyntaxError';
    this.line = line;
  }
}

interface Token {
  readonly kind: 'name' | 'number' | 'string' | 'mark' | 'end';
  readonly text: string;
  readonly line: number;
}

const MAX_DEPTH = 16;
const LEXEME =
  /[ \t\r]+|#[^\n]*|(?<name>[A-Za-z_][A-Za-z0-9_]*)|(?<number>-?(?:0[xX][0-9a-fA-F]+|\d+)(?![A-Za-z0-9_.]))|(?<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?<mark>\+=|[=[\],;\n])/gy;

function tokens(text: string): Token[] {
  const found: Token[] = [];
  const lexeme = new RegExp(LEXEME);
  let line = 1;
  while (lexeme.lastIndex < text.length) {
    const at = lexeme.lastIndex;
    const groups = lexeme.exec(text)?.groups;
    if (!groups) throw new XlSyntaxError(`cannot make sense of ${excerpt(text, at)}`, line);
    for (const kind of ['name', 'number', 'string', 'mark'] as const) {
      const one = groups[kind];
      if (one !== undefined) found.push({ kind, text: one, line });
    }
    if (groups['mark'] === '\n') line += 1;
  }
  found.push({ kind: 'end', text: 'the end of the file', line });
  return found;
}

function excerpt(text: string, at: number): string {
  return JSON.stringify(text.slice(at, at + 20).split('\n')[0]);
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

function unquote(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replace(/\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)/g, (_all, escape: string) => {
      if (/^x./.test(escape)) return String.fromCharCode(parseInt(escape.slice(1), 16));
      if (/^[0-7]/.test(escape)) return String.fromCharCode(parseInt(escape, 8) & 0xff);
      return ESCAPES[escape] ?? escape;
    });
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokens(text);
  }

  settings(): Settings {
    const settings = new Map<string, Value>();
    for (;;) {
      this.#skip('\n', ';');
      if (this.#peek().kind === 'end') return settings;
      this.#setting(settings);
    }
  }

  #setting(settings: Map<string, Value>): void {
    const name = this.#next();
    if (name.kind !== 'name') throw this.#unexpected(name, 'a setting');
    const mark = this.#next();
    if (mark.text !== '=' && mark.text !== '+=')
      throw this.#unexpected(mark, `= after ${name.text}`);
    const value = this.#value(0);
    const end = this.#peek();
    if (end.kind !== 'end' && end.text !== '\n' && end.text !== ';') {
      throw this.#unexpected(end, `the end of ${name.text}`);
    }
    settings.set(name.text, mark.text === '=' ? value : joined(settings.get(name.text), value));
  }

  #value(depth: number): Value {
    const token = this.#next();
    if (token.kind === 'string') return unquote(token.text);
    if (token.kind === 'number') return token.text;
    if (token.text !== '[') throw this.#unexpected(token, 'a number, a quoted string or a list');
    if (depth >= MAX_DEPTH) throw new XlSyntaxError('lists are nested too deeply', token.line);
    return this.#list(depth + 1);
  }

  #list(depth: number): Value {
    const values: Value[] = [];
    for (;;) {
      this.#skip('\n');
      if (this.#peek().text === ']') break;
      values.push(this.#value(depth));
      this.#skip('\n');
      if (this.#peek().text !== ',') break;
      this.#at += 1;
    }
    const end = this.#next();
    if (end.text !== ']') throw this.#unexpected(end, '] or , in a list');
    return values;
  }

  #peek(): Token {
    const token = this.#tokens[this.#at] ?? this.#tokens.at(-1);
    if (!token) throw new XlSyntaxError('nothing to read', 1);
    return token;
  }

  #next(): Token {
    const token = this.#peek();
    this.#at += 1;
    return token;
  }

  #skip(...marks: readonly string[]): void {
    while (this.#peek().kind === 'mark' && marks.includes(this.#peek().text)) this.#at += 1;
  }

  #unexpected(token: Token, wanted: string): XlSyntaxError {
    const found = token.text === '\n' ? 'the end of the line' : token.text.slice(0, 40);
    return new XlSyntaxError(`${wanted} is expected, found ${found}`, token.line);
  }
}

/** `+=`: strings are joined, lists grow. */
function joined(before: Value | undefined, more: Value): Value {
  if (before === undefined) return more;
  if (typeof before === 'string' && typeof more === 'string') return before + more;
  const list = (value: Value): readonly Value[] => (typeof value === 'string' ? [value] : value);
  return [...list(before), ...list(more)];
}

/** Parse a whole file. The last of two settings of the same name counts. Throws `XlSyntaxError`. */
export function parseSettings(text: string): Settings {
  return new Parser(text).settings();
}
