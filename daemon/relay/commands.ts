import { z } from 'zod';
import { DUMP_LIMITS, type ReceiverCommand, type SenderCommand } from './control.js';

const reason = z.string().max(1000);

const senderCommand = z.discriminatedUnion('type', [
  z.object({ type: z.literal('finish'), freeze: z.boolean().optional() }),
  z.object({ type: z.literal('stop'), reason }),
  z.object({ type: z.literal('ping') }),
  z.object({
    type: z.literal('dump'),
    checkpoints: z.number().int().min(1).max(DUMP_LIMITS.checkpoints),
    records: z.boolean(),
    timeout_ms: z.number().int().min(1).max(DUMP_LIMITS.timeout_ms),
  }),
]);

const receiverCommand = z.discriminatedUnion('type', [
  z.object({ type: z.literal('activate') }),
  z.object({ type: z.literal('abort'), reason }),
  z.object({ type: z.literal('ping') }),
]);

/** Null when the line is not a command. */
export function parseSenderCommand(line: string): SenderCommand | null {
  return parse(senderCommand, line);
}

/** Null when the line is not a command. */
export function parseReceiverCommand(line: string): ReceiverCommand | null {
  return parse(receiverCommand, line);
}

function parse<T>(schema: z.ZodType<T>, line: string): T | null {
  try {
    const parsed = schema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
