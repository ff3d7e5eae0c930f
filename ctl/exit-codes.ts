/** What remusctl ends with; the same numbers as the daemon's answers to it. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  warnings: 4,
  errors: 5,
  interrupted: 130,
} as const;

/** For --help and the manual. */
export const exit_code_words: readonly (readonly [number, string])[] = [
  [EXIT.ok, 'done; with --dry-run: it would be done; drill: it would work'],
  [EXIT.failed, 'it failed, remusd here could not be asked, or --dry-run or drill cannot tell'],
  [EXIT.usage, 'wrong usage, or failover with neither --force nor --dry-run'],
  [
    EXIT.refused,
    'refused: it would not have been safe, or would not have worked; nothing was changed',
  ],
  [EXIT.warnings, 'doctor has found warnings, but no errors'],
  [EXIT.errors, 'doctor has found errors'],
  [EXIT.interrupted, 'interrupted (Ctrl-C); what remusd had begun goes on'],
];
