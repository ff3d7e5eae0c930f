import assert from 'node:assert/strict';
import { CompressionPolicy } from '../../../daemon/relay/compression-policy.js';
import type { WireCoding } from '../../../daemon/relay/control.js';

const MB = 1_000_000;

/** A link and a coder, both in MB a second; a checkpoint of 4 MB of which each coding leaves so much. */
interface World {
  link: number;
  readonly coder: Readonly<Record<WireCoding, number>>;
  readonly left: Readonly<Record<WireCoding, number>>;
}

const CODER = { off: Number.POSITIVE_INFINITY, delta: 800, lz4: 300 };
const LEFT = { off: 1, delta: 0.2, lz4: 0.1 };

/** What the policy chose for each of so many checkpoints. */
function run(policy: CompressionPolicy, world: World, checkpoints: number): WireCoding[] {
  const chosen: WireCoding[] = [];
  for (let i = 0; i < checkpoints; i += 1) {
    const { coding } = policy.choose();
    chosen.push(coding);
    const coding_ms = (4 / world.coder[coding]) * 1000;
    const wire_ms = ((4 * world.left[coding]) / world.link) * 1000;
    // Plain data is sent while the rest is read; half of it is there at the end.
    const wait_ms = coding === 'off' ? wire_ms / 2 : coding_ms + wire_ms;
    policy.learn({ coding, raw_bytes: 4 * MB, wait_ms, coding_ms });
  }
  return chosen;
}

function share(chosen: readonly WireCoding[], coding: WireCoding): number {
  return chosen.filter((one) => one === coding).length / chosen.length;
}

describe('relay/compression-policy', () => {
  it('does as it is told', () => {
    for (const setting of ['off', 'lz4', 'delta'] as const) {
      const policy = new CompressionPolicy(setting);
      assert.deepEqual(policy.choose(), { coding: setting, why: `compression=${setting}` });
      assert.equal(policy.firstCopy(true), setting === 'off' ? null : setting);
    }
  });

  it('auto: the first copy is coded as the link allows', () => {
    const policy = new CompressionPolicy('auto');
    assert.equal(policy.firstCopy(false), 'delta');
    assert.equal(policy.firstCopy(true), 'lz4');
  });

  it('auto: never on when the link is faster than the coder', () => {
    const policy = new CompressionPolicy('auto');
    policy.coder(100 * MB, 100 / 0.8);
    const chosen = run(policy, { link: 1200, coder: CODER, left: LEFT }, 500);
    assert.equal(share(chosen, 'off'), 1);
    assert.equal(policy.choose().why, 'auto: the link is faster than the coder');
  });

  it('auto: on where it pays, and the better one', () => {
    const gigabit = new CompressionPolicy('auto');
    const chosen = run(gigabit, { link: 110, coder: CODER, left: LEFT }, 500);
    assert.deepEqual(chosen.slice(0, 7), ['off', 'delta', 'delta', 'delta', 'lz4', 'lz4', 'lz4']);
    assert.ok(share(chosen, 'delta') > 0.9, `${share(chosen, 'delta')}`);
    const slow = new CompressionPolicy('auto');
    assert.ok(share(run(slow, { link: 5, coder: CODER, left: LEFT }, 500), 'lz4') > 0.9);
    assert.equal(slow.choose().why, 'auto: fewer bytes are acknowledged sooner');
  });

  it('auto: off for what does not become smaller, but for a try now and then', () => {
    const policy = new CompressionPolicy('auto');
    const left = { off: 1, delta: 1, lz4: 1 };
    const chosen = run(policy, { link: 110, coder: CODER, left }, 1000);
    assert.ok(share(chosen, 'off') > 0.95, `${share(chosen, 'off')}`);
    assert.equal(policy.choose().why, 'auto: coding does not pay');
  });

  it('auto: does not change its mind for a little', () => {
    const policy = new CompressionPolicy('auto');
    // Both codings come to about the same.
    const world = { link: 60, coder: CODER, left: { off: 1, delta: 0.2, lz4: 0.15 } };
    const chosen = run(policy, world, 300).slice(7);
    const changes = chosen.filter((coding, i) => i > 0 && coding !== chosen[i - 1]).length;
    assert.ok(changes <= 10, `${changes} changes`);
  });

  it('auto: follows the link', () => {
    const policy = new CompressionPolicy('auto');
    const world = { link: 5, coder: CODER, left: LEFT };
    run(policy, world, 100);
    world.link = 5000;
    const later = run(policy, world, 300);
    assert.equal(later.at(-1), 'off');
    world.link = 5;
    assert.equal(run(policy, world, 50).at(-1), 'lz4');
  });

  it('auto: empty checkpoints teach nothing', () => {
    const policy = new CompressionPolicy('auto');
    policy.learn({ coding: 'off', raw_bytes: 0, wait_ms: 500, coding_ms: 0 });
    assert.equal(policy.choose().why, 'auto: measuring the link');
  });
});
