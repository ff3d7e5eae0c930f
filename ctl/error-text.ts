/** Errors as the operator reads them, with what to type. */
import { errnoOf, isAdapterError, sentenceOf } from '../daemon/adapters/errors.js';

/** The daemon of this node is down: the commonest of all, so it is said in full. */
const not_running = [
  'remusctl: remusd is not running on this node. Its VMs and their replication go on without it.',
  '  see why:   systemctl status remusd',
  '  start it:  systemctl start remusd',
  '',
].join('\n');

/** One of the daemon's adapters keeps what is for people in its sentence; ours, and only they, may have several lines. */
export function messageOf(error: Error): string {
  return isAdapterError(error) || errnoOf(error) !== undefined ? sentenceOf(error) : error.message;
}

export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return `remusctl: ${String(error)}\n`;
  if (codeOf(error) === 'not-running') return not_running;
  return `remusctl: ${messageOf(error)}\n`;
}

/** The code of a ClientError, by its shape: importing its class would load the whole client. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
