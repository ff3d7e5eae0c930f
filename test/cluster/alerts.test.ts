/** Real Pacemaker: its alerts reach remusd by the agent, as hacluster, on the node that has survived. */
import assert from 'node:assert/strict';
import { shell } from './support/operations.js';
import { measure } from './support/measures.js';
import { fenced } from './support/events.js';
import { PATIENCE_MS, type Scenario, VM, leaveLab, scenario } from './support/scenario.js';

interface Line {
  readonly time: string;
  readonly msg: string;
  readonly about?: string;
  readonly status?: string;
  readonly now?: string;
  readonly vm?: string;
  readonly words?: string;
  readonly claimed?: readonly { readonly kind: string; readonly node?: string }[];
}

/** What remusd on a node has logged since. */
async function lines(s: Scenario, node: string, from_ms: number): Promise<Line[]> {
  const text = await shell(s.lab, node, 'cat /var/log/remusd.log');
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line) // remusd's own
    .filter(({ time }) => Date.parse(time) >= from_ms);
}

function untilLine(
  s: Scenario,
  node: string,
  from_ms: number,
  what: string,
  test: (line: Line) => boolean,
): Promise<Line> {
  return s.lab.waitFor(what, async () => (await lines(s, node, from_ms)).find(test), PATIENCE_MS);
}

describe('alerts', () => {
  after(leaveLab);

  it(
    'power cut of the backup: the primary hears of the loss and of the fencing by push, and logs what Pacemaker says',
    scenario(async (s) => {
      const began_ms = Date.now();
      await s.lab.kill(s.backup);
      const told = (kind: string): Promise<Line> =>
        untilLine(s, s.primary, began_ms, `an alert of kind ${kind}`, ({ claimed = [] }) =>
          claimed.some((one) => one.kind === kind && one.node === s.backup),
        );
      const hint = await told('fencing');
      const end = fenced(s.lab, s.backup, began_ms);
      assert.ok(end, 'nobody was fenced');
      measure('alert: end of fencing to its line', {
        ms: Math.round(Date.parse(hint.time) - end.at_ms),
      });
      await untilLine(
        s,
        s.primary,
        began_ms,
        "the fencing, by Pacemaker's own word",
        ({ msg, about, status }) => msg === 'fencing' && about === s.backup && status === 'success',
      );
      await untilLine(
        s,
        s.primary,
        began_ms,
        "the loss, by Pacemaker's own word",
        ({ msg, about, now }) =>
          msg === 'a node of the cluster has changed' && about === s.backup && now === 'down',
      );
      await untilLine(
        s,
        s.primary,
        began_ms,
        'the state of the VM, one line',
        ({ msg, vm, words }) =>
          msg === 'state' && vm === VM && words === `unprotected: peer ${s.backup} is offline`,
      );
      await s.untilAnswer();
      await s.lab.boot(s.backup);
      await s.untilProtectedAnew();
      await told('node');
      await s.assertUnbroken();
    }),
  );

  it(
    'hacluster reaches that socket, and with it nothing else; nobody reaches none',
    scenario(async (s) => {
      const ask = (user: string, path: string, action: string): Promise<string> =>
        shell(
          s.lab,
          s.primary,
          `printf 'remus 1\\naction=${action}\\nresource=${VM}\\nkind=node\\n\\n' | runuser -u ${user} -- socat -t 5 - UNIX-CONNECT:${path} 2>&1 || true`,
        );
      const alerts = '/run/pacemaker-remus-alert.sock';
      const control = '/run/pacemaker-remus/remusd.sock';
      assert.match(await ask('hacluster', alerts, 'cluster-event'), /^rc=0$/m);
      assert.match(await ask('hacluster', alerts, 'stop'), /^rc=3$/m);
      assert.match(await ask('hacluster', control, 'status'), /Permission denied/);
      assert.match(await ask('nobody', alerts, 'cluster-event'), /Permission denied/);
      const roles = await s.untilProtected();
      assert.equal(roles.grant, s.grant);
    }),
  );
});
