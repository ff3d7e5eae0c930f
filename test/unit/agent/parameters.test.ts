import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import assert from 'node:assert/strict';

import fc from 'fast-check';

import { manualPage } from '../../../agent/manual.js';
import { OUTCOMES, outcomeName } from '../../../agent/outcomes.js';
import { PARAMETERS, validateParameters } from '../../../agent/parameters.js';
import { OCF } from '../../../daemon/core/ocf.js';

const config = '/etc/xen/vm1.cfg';

function problems(raw: Record<string, string>): readonly string[] {
  const checked = validateParameters(raw);
  return checked.ok ? [] : checked.problems;
}

describe('agent parameters', () => {
  it('have defaults', () => {
    assert.deepEqual(validateParameters({ config, name: '' }), {
      ok: true,
      params: {
        config,
        name: null,
        mode: 'remus',
        interval_ms: 200,
        shutdown_timeout_ms: 60_000,
        replication_timeout_ms: 5_000,
        compression: 'auto',
        netbuf: 'on',
        on_no_replica: 'start',
        allow_unfenced: false,
        unsafe_disks: false,
      },
    });
  });

  it('are typed and in milliseconds', () => {
    const checked = validateParameters({
      config,
      name: 'vm-1.a',
      mode: 'restart',
      interval: '20',
      shutdown_timeout: '0',
      replication_timeout: '600',
      compression: 'delta',
      netbuf: 'off',
      on_no_replica: 'refuse',
      allow_unfenced: 'Yes',
      unsafe_disks: 'on',
    });
    assert.ok(checked.ok);
    assert.deepEqual(Object.values(checked.params), [
      config,
      'vm-1.a',
      'restart',
      20,
      0,
      600_000,
      'delta',
      'off',
      'refuse',
      true,
      true,
    ]);
  });

  it('are refused with the name, the value and what is allowed', () => {
    assert.deepEqual(
      problems({
        config: 'vm1.cfg',
        interval: '19',
        shutdown_timeout: '1m',
        netbuf: 'false',
        on_no_replica: 'stop',
        allow_unfenced: 'maybe',
      }),
      [
        'parameter config="vm1.cfg" must be an absolute path',
        'parameter interval="19" must be a whole number of milliseconds from 20 to 60000',
        'parameter shutdown_timeout="1m" must be a whole number of seconds from 0 to 3600',
        'parameter netbuf="false" must be on or off',
        'parameter on_no_replica="stop" must be start or refuse',
        'parameter allow_unfenced="maybe" must be true or false',
      ],
    );
    assert.deepEqual(problems({}), ['parameter config is missing: it must be an absolute path']);
  });

  it('ignore what Pacemaker adds, and nothing else', () => {
    assert.deepEqual(
      problems({ config, CRM_meta_timeout: '1', crm_feature_set: '3.16.1', trace_ra: '1' }),
      [],
    );
    assert.match(
      problems({ config, intervall: '100' })[0] ?? '',
      /^parameter "intervall" is unknown: there are config, name/,
    );
    assert.equal(problems({ config, ['__proto__x']: '' }).length, 1);
  });

  it('refuse every number that is not plainly in range', () => {
    for (const interval of [
      '0200',
      '+200',
      '-1',
      '200.0',
      '2e2',
      ' 200',
      '60001',
      '99999999999',
      '٢٠٠',
    ]) {
      assert.equal(problems({ config, interval }).length, 1, interval);
    }
    for (const interval of ['20', '60000']) assert.deepEqual(problems({ config, interval }), []);
  });

  it('refuse domain names that xl would take for something else', () => {
    for (const name of ['12', 'a b', 'a/b', 'a\nb', 'ü', '$(id)', 'a'.repeat(201)]) {
      assert.equal(problems({ config, name }).length, 1, name);
    }
  });

  it('any text gives params or one-line sentences', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom(...PARAMETERS.map(({ name }) => name)),
          fc.string({ unit: 'binary' }),
        ),
        (raw) => {
          const checked = validateParameters(raw);
          if (checked.ok) return;
          assert.ok(checked.problems.length > 0);
          for (const problem of checked.problems) assert.match(problem, /^parameter [^\n]{1,400}$/);
        },
      ),
    );
  });

  it('stand in the manual, and the manual in ocf/ is the one that the tables make', () => {
    const page = manualPage();
    for (const { name } of PARAMETERS) assert.ok(page.includes(`.TP\n.B ${name}\n`), name);
    const installed = join(import.meta.dirname, '../../../../ocf/ocf_xen_remus.7');
    assert.equal(readFileSync(installed, 'utf8'), page);
  });
});

describe('agent outcomes', () => {
  it('name every exit code once', () => {
    assert.deepEqual(
      OUTCOMES.map(({ code }) => code),
      Object.values(OCF),
    );
    assert.deepEqual([outcomeName(8), outcomeName(42)], ['OCF_RUNNING_PROMOTED', '42']);
  });
});
