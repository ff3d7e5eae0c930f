/** A migration stream's records for people and for programs. Pure. */
import type { DecodeEvent } from '../../daemon/stream/decoder.js';
import { oneLine } from '../../daemon/adapters/errors.js';
import { bytes } from './units.js';

/** Wide enough for a terabyte in hexadecimal, and for the longest name of a record. */
const WIDTH = { offset: 12, layer: 5, name: 25, length: 10 };

function row(offset: number, layer: string, name: string, length: number, more = ''): string {
  const cells = [
    `0x${offset.toString(16)}`.padEnd(WIDTH.offset),
    layer.padEnd(WIDTH.layer),
    name.padEnd(WIDTH.name),
    String(length).padStart(WIDTH.length),
    more,
  ];
  return `${cells.join('  ').trimEnd()}\n`;
}

const head = `${[
  'OFFSET'.padEnd(WIDTH.offset),
  'LAYER'.padEnd(WIDTH.layer),
  'RECORD'.padEnd(WIDTH.name),
  'BYTES'.padStart(WIDTH.length),
].join('  ')}\n`;

function pagesOf(pages: number, data_pages: number): string {
  return data_pages === pages ? `${pages} pages` : `${pages} pages, ${data_pages} with data`;
}

/** A line, or none for what the lines around it say. `summary`: only the stream's parts and its checkpoints. */
function dumpLine(event: DecodeEvent, summary: boolean): string {
  switch (event.type) {
    case 'header': {
      const { name, memory_bytes } = event.config;
      return `domain ${oneLine(name)}, memory ${memory_bytes === 0 ? 'unknown' : bytes(memory_bytes)}\n`;
    }
    case 'image': {
      const { version, guest, xen_version } = event.image;
      return `libxc image version ${version} of a ${guest} guest, written by Xen ${xen_version}\n`;
    }
    case 'checkpoint-begin':
      return '';
    case 'record': {
      if (summary) return '';
      const pages = event.pages === 0 ? '' : pagesOf(event.pages, event.data_pages);
      return row(event.offset, event.layer, event.name, event.length, pages);
    }
    case 'checkpoint-end': {
      const what = event.number === 1 ? 'checkpoint 1 (first copy)' : `checkpoint ${event.number}`;
      const pages = pagesOf(event.pages, event.data_pages);
      return `--- ${what} ends at 0x${event.end.toString(16)}: ${bytes(event.bytes)}, ${pages}\n`;
    }
    case 'end':
      return `--- the stream ends in good order at 0x${event.end.toString(16)}\n`;
  }
}

function jsonLine(event: DecodeEvent, summary: boolean): string {
  return summary && event.type === 'record' ? '' : `${printable(JSON.stringify(event))}\n`;
}

/** JSON leaves some control characters as they are, and a domain may be called anything. */
function printable(json: string): string {
  return json.replace(
    /[\u007f-\u009f]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** How a stream is shown, wherever it comes from. */
export interface DumpForm {
  /** Above it all. */
  readonly head: string;
  readonly lines: (events: readonly DecodeEvent[]) => string;
}

export function dumpForm(json: boolean, summary: boolean): DumpForm {
  const line = json ? jsonLine : dumpLine;
  return {
    head: json || summary ? '' : head,
    lines: (events) => events.map((event) => line(event, summary)).join(''),
  };
}
