import { fromJson, type XlConfig } from './cfg.js';
import { Ctl } from './ctl.js';
import { getopt } from './getopt.js';
import { ExactReader } from './reader.js';
import { findDomain } from './registry.js';
import { Restorer } from './restorer.js';
import { err, line, log, logDestroyFailed, logDestroyMissing, out } from './stdio.js';
import * as f from './stream/format.js';
import { completeDomain, logNameTaken, makeDomain, startMonitor } from './xl-create.js';
import { destroyDomain } from './xl-life.js';

const OPTDATA_BYTES_MAX = 1 << 20;

/** xl's own header and the configuration in it; undefined when it is not one. */
async function readXlHeader(reader: ExactReader): Promise<XlConfig | undefined> {
  const head = await reader.read(48);
  if (head === undefined) {
    log(
      `libxl: error: libxl_utils.c:${line('read')}:libxl_read_exactly: file/stream truncated reading header from migration stream`,
    );
    return undefined;
  }
  if (!head.subarray(0, f.XL_MAGIC.length).equals(f.XL_MAGIC)) {
    err('File has wrong magic number - corrupt or for a different tool?');
    return undefined;
  }
  if (head.readUInt32LE(32) !== f.BYTE_ORDER) {
    err('File has wrong byte order');
    return undefined;
  }
  const [mandatory, optional, length] = [
    head.readUInt32LE(36),
    head.readUInt32LE(40),
    head.readUInt32LE(44),
  ];
  const flags = `0x${mandatory.toString(16)}/0x${optional.toString(16)}/${length}`;
  err(`Loading new save file <incoming migration stream> (new xl fmt info ${flags})`);
  if ((mandatory & ~f.XL_MANDATORY_FLAGS) !== 0) {
    err('Savefile has mandatory flag(s) which are not supported; need newer xl');
    return undefined;
  }
  const data = length > OPTDATA_BYTES_MAX ? undefined : await reader.read(length);
  if (data === undefined) {
    log(
      `libxl: error: libxl_utils.c:${line('read')}:libxl_read_exactly: file/stream truncated reading optdata from migration stream`,
    );
    return undefined;
  }
  err(' Savefile contains xl domain config in JSON format');
  err('Parsing config from <saved>');
  return parse(data);
}

function parse(data: Buffer): XlConfig | undefined {
  try {
    const text = data.subarray(4).toString('utf8').replace(/\0+$/, '');
    return fromJson(JSON.parse(text) as Record<string, unknown>);
  } catch {
    err('Failed to parse config: Invalid argument');
    return undefined;
  }
}

function creationFailed(): number {
  err('migration target: Domain creation failed (code -3).');
  return 1;
}

/** libxl's stream header. Without it the real xl dies of a segmentation fault, and so do we, leaving the domain behind. */
async function readLibxlHeader(reader: ExactReader): Promise<void> {
  const head = await reader.read(16);
  const ident = head?.readBigUInt64BE(0) ?? 0n;
  if (ident !== f.LIBXL_IDENT) {
    const hex = (value: bigint): string => `0x${value.toString(16).padStart(16, '0')}`;
    const place = 'libxl_stream_read.c:340:stream_header_done';
    log(`libxl: error: ${place}: Invalid ident: expected ${hex(f.LIBXL_IDENT)}, got ${hex(ident)}`);
    process.kill(process.pid, 'SIGSEGV');
    await new Promise(() => setInterval(() => undefined, 1000));
  }
}

async function readLibxcContext(reader: ExactReader): Promise<boolean> {
  const head = await reader.read(8);
  return (
    head !== undefined && head.readUInt32LE(0) === f.LX.LIBXC_CONTEXT && head.readUInt32LE(4) === 0
  );
}

/** The restore failed before there was anything to run: the domain goes. */
async function cleanUp(domid: number, gone: boolean): Promise<number> {
  log('xc: error: Restore failed (0 = Success): Internal error');
  log(
    'libxl: error: libxl_stream_read.c:850:libxl__xc_domain_restore_done: restoring domain: Success',
  );
  const place = `libxl_create.c:${line('rebuild')}:domcreate_rebuild_done`;
  log(`libxl: error: ${place}: Domain ${domid}:cannot (re-)build domain: -3`);
  const domain = findDomain(String(domid));
  if (!gone && domain !== undefined) await destroyDomain(domain);
  if (gone) {
    logDestroyMissing(domid);
    const where = `libxl_create.c:${line('destruction')}:domcreate_destruction_cb`;
    log(
      `libxl: error: ${where}: Domain ${domid}:unable to destroy domain following failed creation`,
    );
    logDestroyMissing(domid);
    logDestroyFailed(domid);
  }
  return creationFailed();
}

/** The sender is gone: the last complete checkpoint runs. */
async function failOver(
  domid: number,
  config: XlConfig,
  ctl: Ctl,
  monitored: boolean,
): Promise<number> {
  log('xc: info: Restore successful');
  log('xc: info: XenStore: mfn 0xfeffc, dom 0, evt 1');
  log('xc: info: Console: mfn 0xfefff, dom 0, evt 2');
  await ctl.call({ op: 'built', vcpus: config.vcpus });
  if (!(await completeDomain(domid, config))) return creationFailed();
  const incoming = `${config.name}--incoming`;
  if (monitored) startMonitor(domid, incoming);
  err(`migration target: Remus Failover for domain ${domid}`);
  const other = findDomain(config.name);
  if (other === undefined) {
    await ctl.call({ op: 'rename', name: config.name });
  } else {
    log(
      `libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain ${domid}:Domain with name "${config.name}" already exists.`,
    );
    err(`migration target (Remus): Failed to rename domain from ${incoming} to ${config.name}:-6`);
  }
  await ctl.call({ op: 'unpause' });
  return 0;
}

async function receive(reader: ExactReader, monitored: boolean): Promise<number> {
  const config = await readXlHeader(reader);
  if (config === undefined) return creationFailed();
  const domid = await makeDomain(config, `${config.name}--incoming`, false, (taken) => {
    logNameTaken(taken, `${config.name}--incoming`);
    log(
      `libxl: error: libxl_xshelp.c:206:libxl__xs_read_mandatory: xenstore read failed: \`/libxl/${taken}/type': No such file or directory`,
    );
    log(
      `libxl: warning: libxl_dom.c:49:libxl__domain_type: unable to get domain type for domid=${taken}, assuming HVM`,
    );
    logDestroyMissing(taken);
    logDestroyFailed(taken);
  });
  if (domid === undefined) return creationFailed();
  await readLibxlHeader(reader);
  const ctl = await Ctl.open(domid);
  if (!(await readLibxcContext(reader))) return cleanUp(domid, false);
  await ctl.call({ op: 'built', vcpus: 0 });
  const end = await new Restorer(reader, ctl).run();
  if (end === 'failover' && !ctl.gone) return failOver(domid, config, ctl, monitored);
  return cleanUp(domid, end !== 'failed');
}

/** xl migrate-receive: only with -r, as a Remus backup. */
export async function migrateReceive(args: readonly string[]): Promise<number> {
  const { has, bad } = getopt(args, 'Fedrp', { colo: 'c', 'pause-after-migration': 'p' });
  if (bad !== undefined || !has.has('r')) {
    err('simxen: only xl migrate-receive -r [-e] is simulated');
    return 1;
  }
  err('migration target: Ready to receive domain.');
  out(f.BANNER);
  return receive(new ExactReader(0), !has.has('e'));
}
