import assert from 'node:assert/strict';
import {
  HELLO_HEAD_BYTES,
  checkHello,
  encodeHello,
  helloBodyLength,
  parseHello,
  type Hello,
  type ReceivedHello,
} from '../../../daemon/stream/hello.js';

const sender: Hello = {
  role: 'sender',
  release: '0.1.0',
  resource: 'vm1',
  generation: 3,
  session: 'ab12',
};
const receiver: Hello = { ...sender, role: 'receiver' };

function received(wire: Buffer): ReceivedHello {
  const head = wire.subarray(0, HELLO_HEAD_BYTES);
  const length = helloBodyLength(head);
  assert.ok(length.ok);
  assert.equal(length.value, wire.length - HELLO_HEAD_BYTES);
  const parsed = parseHello(head, wire.subarray(HELLO_HEAD_BYTES));
  assert.ok(parsed.ok);
  return parsed.value;
}

describe('stream/hello', () => {
  it('is understood', () => {
    const theirs = received(encodeHello(sender));
    assert.deepEqual(theirs.hello, sender);
    assert.equal(checkHello(receiver, theirs), null);
  });

  it('is refused with a sentence when it is not meant for us', () => {
    const refusal = (hello: Hello): string =>
      checkHello(receiver, received(encodeHello(hello))) ?? '';
    assert.match(refusal({ ...sender, resource: 'vm2' }), /resource vm2/);
    assert.match(refusal({ ...sender, generation: 4 }), /generation 4/);
    assert.match(refusal({ ...sender, session: 'cd' }), /another session/);
    assert.match(refusal(receiver), /receiver, too/);
  });

  it('speaks the newest common version, or says that there is none', () => {
    const newer = received(encodeHello(sender, { newest: 7, oldest: 1 }));
    assert.equal(checkHello(receiver, newer), null);
    const too_new = received(encodeHello({ ...sender, release: '9.0' }, { newest: 7, oldest: 3 }));
    assert.match(
      checkHello(receiver, too_new) ?? '',
      /no common protocol.*versions 3 to 7.*same release/,
    );
  });

  it('refuses rubbish', () => {
    assert.equal(helloBodyLength(Buffer.alloc(16)).ok, false);
    const head = encodeHello(sender).subarray(0, 16);
    assert.equal(parseHello(head, Buffer.from('{')).ok, false);
    assert.equal(parseHello(head, Buffer.from('{"role":"king"}')).ok, false);
    const long = Buffer.from(head);
    long.writeUInt32BE(1 << 20, 12);
    assert.equal(helloBodyLength(long).ok, false);
  });
});
