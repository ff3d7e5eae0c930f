import assert from 'node:assert/strict';
import {
  HELLO_HEAD_BYTES,
  checkHello,
  encodeHello,
  helloBodyLength,
  packedCachePages,
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

  it('says whether packed frames may be sent, and how big the caches are', () => {
    const mine = { ...receiver, cache_mib: 64 };
    const pages = (hello: Hello, newest = 2): number | null =>
      packedCachePages(mine, received(encodeHello(hello, { newest, oldest: 1 })));
    assert.equal(pages({ ...sender, cache_mib: 64 }), 64 * 256);
    assert.equal(pages({ ...sender, cache_mib: 8 }), 8 * 256);
    assert.equal(pages({ ...sender, cache_mib: 8 }, 7), 8 * 256);
    // Releases that know nothing of it.
    assert.equal(pages(sender), null);
    assert.equal(pages({ ...sender, cache_mib: 64 }, 1), null);
    assert.equal(packedCachePages(receiver, received(encodeHello(mine))), null);
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

  it('says what a peer calls itself in one printable line (found by a fuzzer)', () => {
    const odd = received(encodeHello({ ...sender, resource: '\u001b[2Jvm\u0007' }));
    assert.equal(checkHello(receiver, odd), 'the peer means resource [2Jvm, this is vm1');
    const release = received(encodeHello({ ...sender, release: 'a\nb' }, { newest: 9, oldest: 9 }));
    assert.match(checkHello(receiver, release) ?? '', /, a b there version 9; /);
  });
});
