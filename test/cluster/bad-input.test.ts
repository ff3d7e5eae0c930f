/**
 * Real Pacemaker: what is wrong with a VM, its tools or its cluster is said where the operator looks, leaves nothing half
 * started, and takes nothing else down: a second VM stays protected all the while.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { cloneDir } from './lab/command.js';
import {
  agent,
  remusctlVm,
  restartDaemon,
  shell,
  startResource,
  stopResource,
  untilVmProtected,
} from './support/operations.js';
import {
  PATIENCE_MS,
  type Scenario,
  VM,
  leaveLab,
  readRecord,
  scenario,
} from './support/scenario.js';
import { recordOf } from './support/observed.js';
import { unwrapAll, wrapProgram } from './support/wrappers.js';

/** The one that is wrong; VM is the healthy one. */
const BAD = 'vm2';
/** xl create may hang for 30 s before it is given up. */
const SLOW_MS = 150_000;
/** xl's time to answer, with the daemon's wait for its end. */
const LOOK_MS = 12_000;

interface Trouble {
  readonly name: string;
  readonly params?: Readonly<Record<string, string>>;
  /** Shell, on each node, after the right configuration file was written. */
  readonly spoil?: string;
  readonly task: 'start' | 'promote';
  readonly reason: RegExp;
}

const CFG = `/etc/xen/${BAD}.cfg`;
const TROUBLES: readonly Trouble[] = [
  {
    name: 'no configuration file',
    spoil: `rm ${CFG}`,
    task: 'start',
    reason: /vm2\.cfg cannot be read on pm\d: copy it there/,
  },
  {
    name: 'a configuration file with a syntax error',
    spoil: `echo 'memory = = 5' >>${CFG}`,
    task: 'start',
    reason: /vm2\.cfg line \d+: .*xl create -n/,
  },
  {
    name: 'a configuration file without a name',
    spoil: `sed -i /^name/d ${CFG}`,
    task: 'start',
    reason: /has no line name = /,
  },
  {
    name: 'a PV guest',
    spoil: `sed -i s/pvh/pv/ ${CFG}`,
    task: 'start',
    reason: /PV guests cannot be replicated.*type = "pvh"/,
  },
  {
    name: 'an impossible interval',
    params: { interval: '5' },
    task: 'start',
    reason: /parameter interval="5" must be .* from 20 to 60000/,
  },
  {
    name: 'an unknown choice',
    params: { on_no_replica: 'perhaps' },
    task: 'start',
    reason: /parameter on_no_replica="perhaps" must be start or refuse/,
  },
  {
    name: 'a name that is not the one in the file',
    params: { name: 'other' },
    task: 'start',
    reason: /name=other, but .*vm2\.cfg on pm\d says vm2/,
  },
];

async function addBad(s: Scenario, params: Readonly<Record<string, string>> = {}): Promise<void> {
  await s.lab.addVm(BAD, { params, meta: { 'migration-threshold': '2' } });
}

const DISK_REFUSED =
  /disk xvda would be ahead of the memory.*crm_resource -r vm2 -p mode -v restart/;

async function withDisk(s: Scenario): Promise<void> {
  await s.lab.vmConfig(BAD);
  for (const node of s.lab.nodes())
    await shell(s.lab, node, `echo "disk = [ 'phy:/dev/vg/${BAD},xvda,w' ]" >>${CFG}`);
}

async function removeBad(s: Scenario): Promise<void> {
  const node = s.lab.anyNode();
  await shell(s.lab, node, `crm_resource --cleanup --resource ${BAD} || true`);
  await stopResource(s.lab, BAD);
  // It may have been started, and have failed, once more in between: the next one of that name would not be started at all.
  await shell(s.lab, node, `crm_resource --cleanup --resource ${BAD} || true`);
  await shell(s.lab, node, `crm configure delete ${BAD}-ha ${BAD}`);
  noBadDomain(s);
}

function noBadDomain(s: Scenario): void {
  const names = s.lab.nodes().flatMap((node) => s.lab.hypervisor(node).map(({ name }) => name));
  assert.ok(!names.some((name) => name.startsWith(BAD)), `there are domains: ${names.join(' ')}`);
}

/** crm_mon shows the failure and its reason, whatever node it is of. */
async function untilFailure(
  s: Scenario,
  task: string,
  reason: RegExp,
  deadline_ms = PATIENCE_MS,
): Promise<void> {
  await s.lab.waitFor(
    `crm_mon shows that ${task} of ${BAD} has failed: ${String(reason)}`,
    async () => {
      const { failures } = await s.lab.crmMon(s.primary);
      return failures.some(
        (one) => one.resource === BAD && one.task === task && reason.test(one.reason),
      );
    },
    deadline_ms,
  );
}

async function untilBadWords(s: Scenario, words: RegExp): Promise<void> {
  await s.lab.waitFor(
    `crm_mon shows of ${BAD}: ${String(words)}`,
    async () => {
      const { attributes } = await s.lab.crmMon(s.primary);
      const said = Object.values(attributes).map((each) => each[`remus-${BAD}`] ?? '');
      return said.some((text) => words.test(text));
    },
    PATIENCE_MS,
  );
}

/** The healthy VM has not noticed anything: the same replica, the same boot, nothing taken back. */
async function otherUnharmed(s: Scenario): Promise<void> {
  const roles = await s.untilProtected();
  assert.deepEqual([roles.primary, roles.grant], [s.primary, s.grant]);
  await s.untilAnswer();
  await s.assertUnbroken();
}

/** The node's wrappers are gone in the end, whatever happens. */
async function wrapped(
  s: Scenario,
  nodes: readonly string[],
  program: string,
  body: string | null,
  work: () => Promise<void>,
): Promise<void> {
  for (const node of nodes) await wrapProgram(s.lab, node, program, body);
  try {
    await work();
  } finally {
    for (const node of nodes) await unwrapAll(s.lab, node);
  }
}

describe('bad input: a VM', () => {
  after(leaveLab);

  for (const { name, params, spoil, task, reason } of TROUBLES) {
    it(
      `${name}: said in crm_mon, nothing is started`,
      scenario(async (s) => {
        await s.lab.vmConfig(BAD);
        for (const node of s.lab.nodes()) if (spoil) await shell(s.lab, node, spoil);
        await addBad(s, params);
        await untilFailure(s, task, reason);
        noBadDomain(s);
        await otherUnharmed(s);
        await removeBad(s);
        await otherUnharmed(s);
      }),
    );
  }

  it(
    'a configuration that differs between the nodes: runs, unprotected and says why, until it is the same',
    scenario(async (s) => {
      await s.lab.vmConfig(BAD);
      await s.lab.vmConfig(BAD, { memory: 24, node: 'pm2' });
      await addBad(s);
      await untilBadWords(s, /^unprotected: .*differs between/);
      await otherUnharmed(s);
      await s.lab.vmConfig(BAD, { memory: 16 });
      await untilVmProtected(s.lab, BAD);
      await removeBad(s);
      await otherUnharmed(s);
    }),
  );

  it(
    'a disk that it writes to: refused with the reason, and started by what crm_mon says to type',
    scenario(async (s) => {
      await withDisk(s);
      await addBad(s);
      await untilFailure(s, 'start', DISK_REFUSED);
      noBadDomain(s);
      await otherUnharmed(s);
      await shell(s.lab, s.primary, `crm_resource -r ${BAD} -p unsafe_disks -v true`);
      await untilVmProtected(s.lab, BAD);
      await removeBad(s);
      await otherUnharmed(s);
    }),
  );

  it(
    "a disk that it writes to, and it runs: goes on and gets its replica's node back, only a fresh start is refused",
    scenario(async (s) => {
      await withDisk(s);
      await addBad(s, { unsafe_disks: 'true' });
      const was = await untilVmProtected(s.lab, BAD);
      const domain = () => s.lab.hypervisor(was.primary).find(({ name }) => name === BAD)?.domid;
      const domid = domain();
      // As after an upgrade from a release that did not look at disks.
      await shell(s.lab, s.primary, `crm_resource -r ${BAD} -p unsafe_disks -v false`);
      await shell(s.lab, s.primary, `crm_resource --ban -r ${BAD}-ha -N ${was.backup}`);
      await untilBadWords(s, /^unprotected: /);
      await shell(s.lab, s.primary, `crm_resource --clear -r ${BAD}-ha`);
      assert.deepEqual(await untilVmProtected(s.lab, BAD), was);
      assert.equal(domain(), domid, 'the same domain all the while');
      await stopResource(s.lab, BAD);
      await startResource(s.lab, BAD);
      await untilFailure(s, 'start', DISK_REFUSED);
      noBadDomain(s);
      await removeBad(s);
      await otherUnharmed(s);
    }),
  );

  it(
    'fencing is off: a VM is not started, the others go on',
    scenario(async (s) => {
      await shell(s.lab, s.primary, 'crm_attribute -t crm_config -n stonith-enabled -v false');
      await s.lab.vmConfig(BAD);
      await addBad(s);
      await untilFailure(s, 'start', /fencing is off.*stonith-enabled=true/);
      noBadDomain(s);
      await otherUnharmed(s);
      await shell(s.lab, s.primary, 'crm_attribute -t crm_config -n stonith-enabled -v true');
      await shell(s.lab, s.primary, `crm_resource --cleanup --resource ${BAD}`);
      await untilVmProtected(s.lab, BAD);
      await removeBad(s);
      await otherUnharmed(s);
    }),
  );
});

describe('bad input: tools', () => {
  after(leaveLab);

  it(
    'xl create fails on one node: the VM is started on the other, whichever it is',
    scenario(async (s) => {
      for (const node of s.lab.nodes()) {
        await stopResource(s.lab, VM);
        const body = `case "$*" in *create*${VM}*) echo "libxl: error: no memory" >&2; exit 3 ;; esac`;
        await wrapped(s, [node], 'xl', body, async () => {
          await startResource(s.lab, VM);
          await s.untilAnswer();
          assert.equal((await s.untilProtected()).backup, node);
        });
        await shell(s.lab, node, `crm_resource --cleanup --resource ${VM}`);
      }
      await s.untilProtected();
    }),
  );

  for (const [how, act, reason] of [
    ['fails', 'echo "libxl: error: no such kernel" >&2; exit 3', /xl create.*no such kernel/],
    ['hangs', 'sleep 600', /xl create.* did not end within \d+ ms/],
  ] as const) {
    it(
      `xl create ${how}: said in crm_mon, no half-started domain`,
      scenario(async (s) => {
        await s.lab.vmConfig(BAD);
        const body = `case "$*" in *create*${BAD}*) ${act} ;; esac`;
        await wrapped(s, s.lab.nodes(), 'xl', body, async () => {
          await addBad(s);
          await untilFailure(s, 'promote', reason, SLOW_MS);
          await otherUnharmed(s);
        });
        await removeBad(s);
        await otherUnharmed(s);
      }),
    );
  }

  for (const [how, body] of [
    ['is missing', null],
    ['hangs', 'sleep 600'],
    [
      'fails',
      'echo "xencall: error: Could not obtain handle on privileged command interface" >&2; exit 1',
    ],
    ['prints rubbish', 'echo "?"; exit 0'],
  ] as const) {
    it(
      `xl ${how} on the backup: its monitor says so in time, the VM goes on; well again afterwards`,
      scenario(async (s) => {
        // Otherwise Pacemaker stops it there, which fails, too, and fences the node: its right, and another test.
        const managed = `crm_resource --resource ${VM}-ha --meta`;
        await shell(
          s.lab,
          s.primary,
          `${managed} --set-parameter is-managed --parameter-value false`,
        );
        await wrapped(s, [s.backup], 'xl', body, async () => {
          const probe = await agent(s.lab, s.backup, VM, 'monitor', 0, 30_000);
          assert.equal(probe.rc, 1, 'a probe that cannot look must not say more (P7)');
          assert.match(probe.reason, /xl/);
          await s.untilCrm('the recurring monitor says so, too', s.primary, ({ failures }) =>
            failures.some(({ node, exit_code }) => node === s.backup && exit_code === 1),
          );
          await remusctlVm(s.lab, s.backup, VM);
          await s.untilAnswer();
        });
        // What a look that began before finds must not be told to a cluster that manages it again.
        await sleep(LOOK_MS);
        await shell(s.lab, s.primary, `crm_resource --cleanup --resource ${VM}`);
        await shell(s.lab, s.primary, `${managed} --delete-parameter is-managed`);
        const roles = await s.untilProtected();
        assert.equal(roles.primary, s.primary);
        await s.assertUnbroken();
        await s.assertTidy(roles);
      }),
    );
  }

  for (const [how, act] of [
    ['hang', 'sleep 600'],
    ['print rubbish', 'echo "<rubbish/>"; exit 0'],
    ['fail', 'echo "Connection to cluster failed" >&2; exit 102'],
  ] as const) {
    it(
      `the cluster's tools ${how} on the primary: the VM stays protected, its monitor answers`,
      scenario(async (s) => {
        const programs = ['crm_mon', 'cibadmin', 'crm_attribute', 'attrd_updater', 'crm_simulate'];
        for (const program of programs) await wrapProgram(s.lab, s.primary, program, act);
        try {
          // Twice the time in which the daemon looks at the cluster by itself.
          await sleep(10_000);
          const monitor = await agent(s.lab, s.primary, VM, 'monitor', 10_000);
          assert.deepEqual(monitor, { rc: 8, reason: '' });
          await s.untilAnswer();
        } finally {
          await unwrapAll(s.lab, s.primary);
        }
        await otherUnharmed(s);
      }),
    );
  }
});

describe('bad input: the cluster', () => {
  after(leaveLab);

  it(
    'a peer of another protocol version: said in crm_mon, a replication that runs goes on',
    scenario(async (s) => {
      const file = `${cloneDir()}/dist/daemon/adapters/peer-frames.js`;
      const other = '/root/peer-frames.js';
      const patch = `sed 's/PEER_PROTOCOL = 1;/PEER_PROTOCOL = 99;/' ${file} >${other} && grep -q '= 99;' ${other}`;
      await shell(s.lab, s.backup, `${patch} && mount --bind ${other} ${file}`);
      await restartDaemon(s.lab, s.backup);
      await s.lab.vmConfig(BAD);
      await addBad(s);
      await untilBadWords(s, /^unprotected: .*speaks protocol \d+, this one \d+: upgrade it on /);
      // The other one is told, too, by who has called.
      await untilBadWords(s, /^no replica: .*speaks protocol \d+, this one \d+: upgrade it on /);
      await otherUnharmed(s);
      await shell(s.lab, s.backup, `umount ${file}`);
      await restartDaemon(s.lab, s.backup);
      await untilVmProtected(s.lab, BAD);
      await removeBad(s);
      await otherUnharmed(s);
    }),
  );

  it(
    'a record in the CIB that was damaged by hand: a promotion is refused, and says what is wrong',
    scenario(async (s) => {
      const record = `crm_attribute -t crm_config -s remus-records -n remus-record-${BAD}`;
      await shell(s.lab, s.primary, `${record} -v 'g=7 primary=?'`);
      await s.lab.vmConfig(BAD);
      await addBad(s);
      await untilFailure(s, 'promote', /record of vm2 in the CIB is damaged/);
      noBadDomain(s);
      await otherUnharmed(s);
      await shell(s.lab, s.primary, `${record} -D`);
      // A cleanup in the middle of a recovery takes the resource from under Pacemaker's next start ("No such device", seen).
      await shell(s.lab, s.primary, 'crm_resource --wait --timeout 30s || true');
      await shell(s.lab, s.primary, `crm_resource --cleanup --resource ${BAD}`);
      await untilVmProtected(s.lab, BAD);
      await removeBad(s);
      await otherUnharmed(s);
    }),
  );

  it(
    'a record that is removed or damaged while the VM is protected: seen, said, and granted again',
    scenario(async (s) => {
      const record = `crm_attribute -t crm_config -s remus-records -n remus-record-${VM}`;
      const granted = await readRecord(s.primary);
      const untilGranted = async (): Promise<void> => {
        await s.lab.waitFor(
          'the record is as it was on both nodes',
          async () =>
            (await readRecord(s.primary)) === granted && (await readRecord(s.backup)) === granted,
          PATIENCE_MS,
        );
        await s.untilWords(/^protected$/, s.primary);
      };
      for (const typed of ['-D', "-v 'g=one'", "-v 'g=99 primary=pm9 grant=none'"]) {
        await shell(s.lab, s.primary, `${record} ${typed}`);
        await untilGranted();
      }
      const said = await shell(s.lab, s.primary, `remusctl history ${VM} --limit 100`);
      assert.match(said, /its record was removed from the CIB/);
      assert.match(said, /its record in the CIB was damaged/);
      assert.match(said, /the record in the CIB is of another promotion \(g=99, pm9\)/);
      await s.assertUnbroken();
    }),
  );

  it(
    'a record that is damaged while the VM is protected: once granted again, it moves without loss',
    scenario(async (s) => {
      const record = `crm_attribute -t crm_config -s remus-records -n remus-record-${VM}`;
      await shell(s.lab, s.primary, `${record} -v nonsense`);
      await s.untilAnswer();
      await s.lab.waitFor(
        'the record is written again',
        async () => (await recordOf(s.lab, s.primary)).includes(s.grant),
        s.lab.patience_ms,
      );
      assert.equal((await s.untilProtected()).primary, s.primary);
      await shell(s.lab, s.primary, `remusctl switchover ${VM}`, 120_000);
      const { primary } = await s.untilProtectedAnew();
      assert.equal(primary, s.backup);
      await s.untilAnswer();
      await s.assertUnbroken();
    }),
  );
});
