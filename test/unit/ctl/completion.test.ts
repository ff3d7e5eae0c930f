/** The completion of remusctl, by a real bash: its function, and once the key itself. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { commands } from '../../../ctl/commands.js';
import { completion } from '../../../ctl/completion.js';
import { FakeDaemon } from './fake-daemon.js';
import { canned } from './golden.js';

const script = resolve('dist/share/bash-completion/completions/remusctl');
const main = resolve(import.meta.dirname, '../../../ctl/main.js');

/** What _remusctl makes of the words in its arguments, the last of which is being typed. */
const COMPLETE = `. "$0"; COMP_WORDS=(remusctl "$@"); COMP_CWORD=$#; _remusctl; printf '%s\\n' "\${COMPREPLY[@]}"`;

describe('the completion of bash', () => {
  let dir = '';
  let daemon: FakeDaemon;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'remus-completion-'));
    writeFileSync(join(dir, 'remusctl'), `#!/bin/sh\nexec ${process.execPath} ${main} "$@"\n`);
    chmodSync(join(dir, 'remusctl'), 0o755);
    daemon = new FakeDaemon();
    await daemon.listen();
    daemon.answers(`rc=0\njson=${JSON.stringify(canned('all-well'))}\nend\n`);
  });
  after(async () => {
    await daemon.close();
    rmSync(dir, { recursive: true });
  });

  async function output(argv: readonly [string, ...string[]], input?: string): Promise<string> {
    const [program, ...args] = argv;
    const env = {
      PATH: `${dir}:${process.env['PATH'] ?? ''}`,
      REMUS_RUNDIR: daemon.run_dir,
      TERM: 'dumb',
      LC_ALL: 'C',
    };
    const stdin = input === undefined ? 'ignore' : 'pipe';
    const child = spawn(program, args, { env, stdio: [stdin, 'pipe', 'inherit'] });
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stdin?.end(input);
    await once(child, 'close');
    return said;
  }

  async function candidates(...words: readonly string[]): Promise<string[]> {
    const said = await output(['bash', '--norc', '-c', COMPLETE, script, ...words]);
    return said.split('\n').filter((word) => word !== '');
  }

  it('is what the table of commands says now', () => {
    assert.equal(readFileSync(script, 'utf8'), completion(), 'type: npm run build');
  });

  it('knows every command', async () => {
    const names = commands.map(({ name }) => name);
    assert.deepEqual(await candidates(''), [...names, '--help', '--version']);
    assert.deepEqual(await candidates('s'), ['status', 'switchover']);
    assert.deepEqual(await candidates('help', 'fail'), ['failover']);
    assert.deepEqual(await candidates('nonsense', ''), []);
  });

  it('knows every option of each', async () => {
    for (const { name, options } of commands) {
      const wanted = [...options.map((option) => `--${option.name}`), '--help'];
      assert.deepEqual(await candidates(name, '--'), wanted, name);
    }
  });

  const vms = canned('all-well').vms.map(({ resource }) => resource);
  const nodes = [canned('all-well').node, ...canned('all-well').peers.map(({ node }) => node)];

  it('asks remusd for the VMs', async () => {
    assert.deepEqual(await candidates('status', ''), vms.toSorted());
    assert.deepEqual(await candidates('switchover', '--timeout', '60', 'vm1'), ['vm1']);
  });

  it('and for the nodes', async () => {
    assert.deepEqual(await candidates('switchover', 'vm1', '--to', ''), nodes.toSorted());
    const typed = ['switchover', 'vm1', '--to', '='];
    assert.deepEqual(await candidates(...typed), nodes.toSorted());
    assert.deepEqual(await candidates(...typed, nodes[0] ?? ''), [nodes[0]]);
  });

  it('offers nothing where it knows nothing, and options after the last word', async () => {
    assert.deepEqual(await candidates('switchover', 'vm1', '--timeout', ''), []);
    assert.deepEqual(await candidates('switchover', 'vm1', ''), [
      '--to',
      '--dry-run',
      '--json',
      '--timeout',
      '--help',
    ]);
  });

  it('a file or a VM: both', async () => {
    const all = await candidates('dump', '');
    assert.ok(['README.md', 'ctl', ...vms].every((name) => all.includes(name)));
    assert.deepEqual(await candidates('dump', 'vm1'), ['vm1']);
    assert.deepEqual(await candidates('dump', 'ctl/commands/du'), [
      'ctl/commands/dump-file.ts',
      'ctl/commands/dump-live.ts',
      'ctl/commands/dump.ts',
    ]);
  });

  it('expands nothing that the daemon says', async () => {
    const bad = { ...canned('all-well'), node: '$(touch pwned)', vms: [], peers: [] };
    daemon.answers(`rc=0\njson=${JSON.stringify(bad)}\nend\n`);
    assert.deepEqual(await candidates('switchover', 'vm1', '--to', ''), []);
    daemon.answers(`rc=0\njson=${JSON.stringify(canned('all-well'))}\nend\n`);
  });

  it('completes on the Tab key', async () => {
    const rc = join(dir, 'rc');
    writeFileSync(rc, `. ${script}\nremusctl() { echo "typed:$*"; }\nPS1='\\$ '\n`);
    const shell = `bash --noprofile --rcfile ${rc} -i`;
    const said = await output(
      ['script', '-qec', shell, '/dev/null'],
      'remusctl swi\tvm1 --ti\t9\nexit\n',
    );
    assert.match(said, /typed:switchover vm1 --timeout 9/);
  });
});
