/** The record of a VM as text, and what the next promotion writes. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  claimAfter,
  formatRecord,
  NO_RECORD,
  parseRecord,
  type VmRecord,
} from '../../../daemon/core/record.js';

const node = fc.stringMatching(/^[A-Za-z0-9._]{1,12}$/);
const number = fc.nat(1_000_000);
const PLAIN = { noNullPrototype: true } as const;
const session = fc.stringMatching(/^[0-9a-f]{8,64}$/);
const replica = fc.record({ generation: number, session }, PLAIN);
const grant = fc.record({ node, replica }, PLAIN);
const record: fc.Arbitrary<VmRecord> = fc.record(
  { generation: number, primary: node, grant: fc.option(grant), withdrawn: grant },
  { requiredKeys: ['generation', 'primary', 'grant'], ...PLAIN },
);

describe('core/record', () => {
  it('is read as it was written', () => {
    fc.assert(fc.property(record, (one) => assert.deepEqual(parseRecord(formatRecord(one)), one)));
  });

  it('what is not one is not guessed at', () => {
    for (const text of [
      'g=1',
      'g=1 primary=pm1 grant=pm2/1',
      'g=1 primary=pm1 grant=pm2/1/xyz',
      'g=1 primary=pm1 withdrawn=pm2 grant=none',
      'g=1 primary=pm1 grant=none and more',
      'g=-1 primary=pm1 grant=none',
    ])
      assert.equal(parseRecord(text), null, text);
    for (const text of [null, '']) assert.deepEqual(parseRecord(text), NO_RECORD);
  });

  it('the grant that a claim takes away stays in it, and in the claims after it, until there is another', () => {
    const of = (text: string) => parseRecord(text) ?? assert.fail(text);
    const granted = of('g=4 primary=pm1 grant=pm2/4/ab12cd34');
    const claim = claimAfter(granted, 5, 'pm3');
    assert.equal(formatRecord(claim), 'g=5 primary=pm3 withdrawn=pm2/4/ab12cd34 grant=none');
    assert.equal(
      formatRecord(claimAfter(claim, 6, 'pm1')),
      'g=6 primary=pm1 withdrawn=pm2/4/ab12cd34 grant=none',
    );
    const another = of('g=6 primary=pm1 withdrawn=pm2/4/ab12cd34 grant=pm3/6/00ff00ff');
    assert.equal(
      formatRecord(claimAfter(another, 7, 'pm1')),
      'g=7 primary=pm1 withdrawn=pm3/6/00ff00ff grant=none',
    );
    assert.equal(formatRecord(claimAfter(NO_RECORD, 1, 'pm1')), 'g=1 primary=pm1 grant=none');
  });
});
