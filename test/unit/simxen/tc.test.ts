import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Host, ROOT } from './harness.js';

/** Runs a shell script in a network namespace with a bridge; `$xl`, `$tc` and `$ask` are the programs. */
function inNamespace(host: Host, script: string): string {
  const prelude = [
    `xl=${ROOT}/test/simxen/bin/xl tc=${ROOT}/test/simxen/bin/tc`,
    `ask() { ${process.execPath} ${ROOT}/dist/test/simxen/ask.js 10.77.2.50 c "$1" 250; }`,
    'ip link set lo up; ip link add xenbr0 type bridge; ip addr add 10.77.2.200/24 dev xenbr0; ip link set xenbr0 up',
    'ip link add rem1.0 type ifb; ip link set rem1.0 up; mkfifo batch; $xl create -q -e vm1.cfg',
    'redirect() { $tc qdisc add dev vif1.0 ingress; $tc filter add dev vif1.0 parent ffff: protocol all matchall action mirred egress redirect dev rem1.0; }',
  ].join('\n');
  const cfg =
    'name="vm1"\ntype="pvh"\nmemory=8\nextra="gip=10.77.2.50/24"\nvif=["mac=00:16:3e:77:00:50,bridge=xenbr0"]\n';
  writeFileSync(join(host.dir, 'vm1.cfg'), cfg);
  const args = ['-n', 'sh', '-c', `${prelude}\n${script}\n$xl destroy vm1`];
  return spawnSync('unshare', args, {
    cwd: host.dir,
    env: host.env,
    encoding: 'utf8',
    timeout: 25_000,
  }).stdout;
}

describe('simulated xen: tc', function () {
  this.timeout(30_000);
  let host: Host;
  before(function () {
    if (process.getuid?.() !== 0) this.skip();
  });
  beforeEach(() => (host = new Host('4.20')));
  afterEach(() => host.close());

  it('holds and releases by a long-lived batch, and prints as iproute2 does', () => {
    const output = inNamespace(
      host,
      `redirect; $tc -batch - <batch & exec 8>batch
       say() { echo "qdisc $*" >&8; sleep 0.2; }
       ask 1; say add dev rem1.0 root plug limit 1000000; ask 2; $tc -s qdisc show dev rem1.0
       say change dev rem1.0 root plug block; ask 3; say change dev rem1.0 root plug release; $tc -s qdisc show dev rem1.0
       say change dev rem1.0 root plug release_indefinite; ask 4; exec 8>&-; wait`,
    );
    const lines = output.split('\n');
    assert.match(lines[0] ?? '', /^answer c 1 seq=1 /);
    assert.equal(lines[1], 'timeout');
    assert.equal(lines[2], 'qdisc plug 8001: root refcnt 2 ');
    assert.equal(lines[3], ' Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) ');
    assert.match(lines[4] ?? '', /^ backlog \d+b 1p requeues 0$/);
    assert.equal(lines[5], 'timeout');
    assert.match(lines[7] ?? '', /^ Sent \d+ bytes 1 pkt /);
    assert.match(lines[8] ?? '', /^ backlog \d+b 1p requeues 0$/);
    assert.match(lines[9] ?? '', /^answer c 4 seq=4 /);
  });

  it('a plug set up before the redirect holds from its first packet; a deleted ifb drops', () => {
    const output = inNamespace(
      host,
      `$tc qdisc add dev rem1.0 root plug limit 1000; redirect; ask 1; $tc qdisc change dev rem1.0 root plug release_indefinite
       ask 2; ip link del rem1.0; sleep 0.1; ask 3; $tc qdisc del dev vif1.0 ingress; ask 4`,
    );
    assert.match(output, /^timeout\nanswer c 2 [^\n]*\ntimeout\nanswer c 4 /);
  });

  it('fails as tc does', () => {
    const output = inNamespace(
      host,
      `exec 2>&1; $tc qdisc add dev nosuch root plug block; echo $?; $tc qdisc change dev rem1.0 root plug block; echo $?
       $tc filter add dev vif1.0 parent ffff: protocol all matchall action mirred egress redirect dev rem1.0; echo $?
       redirect; $tc qdisc add dev vif1.0 ingress; echo $?
       printf 'qdisc change dev rem1.0 root plug block\\nqdisc add dev rem1.0 root plug limit 9\\n' | $tc -batch -; echo $?`,
    );
    assert.deepEqual(output.trim().split('\n'), [
      'Cannot find device "nosuch"',
      '1',
      'Error: Qdisc not found. To create specify NLM_F_CREATE flag.',
      '2',
      "Error: Parent Qdisc doesn't exists.",
      'We have an error talking to the kernel',
      '2',
      'Error: Exclusivity flag on, cannot modify.',
      '2',
      'Error: Qdisc not found. To create specify NLM_F_CREATE flag.',
      'Command failed -:1',
      '1',
    ]);
  });
});
