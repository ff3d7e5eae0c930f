/** remusd's command line: the one table that the parser, --help and remusd(8) are made from. */
import { isAbsolute } from 'node:path';
import { parseArgs } from 'node:util';
import { pairs } from '../ctl/render/text.js';
import {
  DEFAULT_PORT,
  ListenError,
  parseListen,
  parseMetricsListen,
  type Where,
} from './listen.js';

export interface DaemonOption {
  readonly name: string;
  /** The word for its value; without one it is a flag. */
  readonly value?: string;
  readonly default?: string;
  readonly summary: string;
}

export const OPTIONS: readonly DaemonOption[] = [
  {
    name: 'listen',
    value: 'ADDRESS[:PORT]',
    summary: `where peers reach this node: its address on the replication network; default: its address in the cluster, port ${DEFAULT_PORT}`,
  },
  {
    name: 'metrics-textfile',
    value: 'PATH',
    summary:
      "write metrics every 15 s into this file, *.prom in the directory of node_exporter's textfile collector; default: none",
  },
  {
    name: 'metrics-listen',
    value: '[ADDRESS:]PORT',
    summary:
      'give metrics to who asks for http://ADDRESS:PORT/metrics, without authentication; ADDRESS: default 127.0.0.1; default: nobody',
  },
  {
    name: 'log-level',
    value: 'LEVEL',
    default: 'info',
    summary: 'debug, info, warn or error; default info',
  },
  { name: 'help', summary: 'this text' },
  { name: 'version', summary: 'the release' },
];

/** What remusd ends with. */
export const EXITS: readonly (readonly [number, string])[] = [
  [0, 'told to stop (SIGTERM, SIGINT); the VMs and their replication go on'],
  [1, 'it could not go on; the last line of its log says why'],
  [2, 'wrong usage'],
];

export function optionForm({ name, value }: DaemonOption): string {
  return value === undefined ? `--${name}` : `--${name} ${value}`;
}

export const SYNOPSIS = [
  'remusd',
  ...OPTIONS.filter(({ value }) => value !== undefined).map((option) => `[${optionForm(option)}]`),
].join(' ');

export const USAGE = `remusd - Remus for Xen under Pacemaker, the daemon of one node

usage: ${SYNOPSIS}

${pairs(
  OPTIONS.map((option) => [optionForm(option), option.summary]),
  88,
)}

It is started by systemd (remusd.service), before Pacemaker. Options: /etc/default/remusd.
To see what it does: remusctl status, journalctl -u remusd; more: man remusd
`;

export interface Options {
  readonly listen: Where | null;
  readonly metrics_textfile: string | null;
  readonly metrics_listen: Where | null;
  readonly log_level: 'debug' | 'info' | 'warn' | 'error';
  readonly help: boolean;
  readonly version: boolean;
}

export function parseOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      OPTIONS.map((option) => [
        option.name,
        option.value === undefined
          ? { type: 'boolean' as const }
          : {
              type: 'string' as const,
              ...(option.default === undefined ? {} : { default: option.default }),
            },
      ]),
    ),
  });
  const level = values['log-level'];
  if (level !== 'debug' && level !== 'info' && level !== 'warn' && level !== 'error') {
    throw new ListenError(`--log-level ${String(level)} must be debug, info, warn or error`);
  }
  const listen = values['listen'];
  const metrics = values['metrics-listen'];
  return {
    listen: typeof listen === 'string' ? parseListen(listen) : null,
    metrics_textfile: parseTextfile(values['metrics-textfile']),
    metrics_listen: typeof metrics === 'string' ? parseMetricsListen(metrics) : null,
    log_level: level,
    help: values['help'] === true,
    version: values['version'] === true,
  };
}

/** node_exporter reads no other name, and remusd's working directory is nobody's business. */
function parseTextfile(path: unknown): string | null {
  if (typeof path !== 'string') return null;
  if (isAbsolute(path) && path.endsWith('.prom')) return path;
  throw new ListenError(
    `--metrics-textfile ${path} must be an absolute path that ends in .prom, like /var/lib/prometheus/node-exporter/remus.prom`,
  );
}
