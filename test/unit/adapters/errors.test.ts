/** Errors as people read them: no bare errno, and the file or address that is concerned. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { once } from 'node:events';
import { AdapterError, errnoWords, reasonOf, sentenceOf } from '../../../daemon/adapters/errors.js';

const thrown = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => assert.fail('it went well'),
    (error: unknown) => error,
  );

describe('adapters: errors for people', () => {
  it('a file: what the system says, and which file unless that is said already', async () => {
    const error = await thrown(readFile('/nowhere/at.all'));
    assert.equal(sentenceOf(error), 'no such file or directory (open /nowhere/at.all)');
    assert.equal(reasonOf(error), 'no such file or directory');
  });

  it('a connection, to an address and to a socket', async () => {
    const refused = await thrown(once(connect(1, '127.0.0.1'), 'connect'));
    assert.equal(sentenceOf(refused), 'connection refused (connect 127.0.0.1:1)');
    const missing = await thrown(once(connect('/nowhere/a.sock'), 'connect'));
    assert.equal(sentenceOf(missing), 'no such file or directory (connect /nowhere/a.sock)');
    assert.equal(reasonOf(missing), 'no such file or directory');
  });

  it('what OpenSSL says stays, and so does what is no system call', () => {
    const tls = Object.assign(new Error('write EPROTO: tlsv1 alert unknown ca'), {
      ...{ errno: -71, code: 'EPROTO', syscall: 'write' },
    });
    assert.equal(sentenceOf(tls), 'write EPROTO: tlsv1 alert unknown ca');
    assert.equal(sentenceOf(new Error('two\nlines')), 'two lines');
    assert.equal(sentenceOf('a word'), 'a word');
    const known = new AdapterError('code', 'constant', 'what to type', { errno: -2 });
    assert.deepEqual([sentenceOf(known), reasonOf(known)], ['what to type', 'what to type']);
  });

  it('the name of an errno, as a child process that could not be started has it', () => {
    assert.equal(errnoWords('EACCES'), 'permission denied');
    assert.equal(errnoWords('EUNKNOWN'), 'EUNKNOWN');
  });
});
