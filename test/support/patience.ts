/** How long the harness waits for what should end by itself. Our own tests of what does not are less patient. */
const factor = Number(process.env['REMUS_TEST_PATIENCE'] ?? '1');

/** What a mocha that has said `end` may take to leave: timers and sockets still open then are a leak. */
export const leave_ms = 10_000 * factor;
/** What the running test may take after a suite has been told to stop. */
export const stop_grace_ms = 15_000 * factor;
/** What a part that was told to stop may take to clean up before it is killed. */
export const clean_up_ms = 40_000 * factor;
