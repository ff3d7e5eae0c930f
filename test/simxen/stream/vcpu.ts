import { randomBytes } from 'node:crypto';
import type { Release } from '../paths.js';

const CPUID_LEAVES = 44;
const LEAF_BYTES = 24;
const MSRS = [0xce, 0x10a] as const;
const MSR_BYTES = 16;

/** A CPUID policy of the length seen: leaf, subleaf, eax, ebx, ecx, edx. */
export function cpuidPolicy(): Buffer {
  const bytes = Buffer.alloc(CPUID_LEAVES * LEAF_BYTES);
  for (let i = 0; i < CPUID_LEAVES; i++) {
    bytes.writeUInt32LE(i < 22 ? i : 0x80000000 + i - 22, i * LEAF_BYTES);
    bytes.writeUInt32LE(0xffffffff, i * LEAF_BYTES + 4);
  }
  return bytes;
}

/** An MSR policy: index, flags, value. */
export function msrPolicy(): Buffer {
  const bytes = Buffer.alloc(MSRS.length * MSR_BYTES);
  MSRS.forEach((msr, i) => bytes.writeUInt32LE(msr, i * MSR_BYTES));
  return bytes;
}

/** X86_TSC_INFO: mode (2 = native), kHz, ns, incarnation, reserved. */
export function tscInfo(): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt32LE(2, 0);
  bytes.writeUInt32LE(1, 16);
  return bytes;
}

/** The records inside HVM_CONTEXT as in the capture: type code and length, those that each vcpu has, and those of the domain. */
const PER_VCPU: readonly (readonly [number, number])[] = [
  [2, 1032],
  [5, 24],
  [6, 1024],
];
const PER_VCPU_LATER: readonly (readonly [number, number])[] = [
  [14, 240],
  [18, 32],
  [19, 8],
];
const DOMAIN_PARTS: readonly (readonly [number, number])[] = [
  [7, 16],
  [8, 8],
  [9, 8],
];

function part(type: number, instance: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16LE(type, 0);
  head.writeUInt16LE(instance, 2);
  head.writeUInt32LE(body.length, 4);
  return Buffer.concat([head, body]);
}

function registers(type: number, length: number): Buffer {
  const body = Buffer.alloc(length);
  if (type === 2) randomBytes(128).copy(body);
  return body;
}

/** HVM_CONTEXT: 2504 bytes with one vcpu on 4.17, 4928 with two on 4.20; the registers differ each time. */
export function hvmContext(vcpus: number, release: Release): Buffer {
  const eachVcpu = Array.from({ length: vcpus }, (_, i) => i);
  const parts = [part(1, 0, Buffer.alloc(24))];
  for (const [type, length] of PER_VCPU)
    for (const vcpu of eachVcpu) parts.push(part(type, vcpu, registers(type, length)));
  for (const [type, length] of DOMAIN_PARTS) parts.push(part(type, 0, Buffer.alloc(length)));
  for (const [type, length] of PER_VCPU_LATER)
    for (const vcpu of eachVcpu) parts.push(part(type, vcpu, Buffer.alloc(length)));
  if (release === '4.20') parts.push(part(20, 0, Buffer.alloc(8)));
  parts.push(part(0, 0, Buffer.alloc(0)));
  return Buffer.concat(parts);
}

/** HVM_PARAMS as in the capture: index and value of each. */
const PARAMS: readonly (readonly [number, bigint])[] = [
  [0x01, 0xfeffcn],
  [0x05, 0xfeffdn],
  [0x06, 0xfeffbn],
  [0x1b, 0xfeff8n],
  [0x1c, 0xfeff9n],
  [0x1d, 0xfeffan],
  [0x11, 0xfefffn],
  [0x0c, 0xfeffe000n],
];

/** The body of HVM_PARAMS. */
export function hvmParams(): Buffer {
  const bytes = Buffer.alloc(8 + PARAMS.length * 16);
  bytes.writeUInt32LE(PARAMS.length, 0);
  PARAMS.forEach(([index, value], i) => {
    bytes.writeBigUInt64LE(BigInt(index), 8 + i * 16);
    bytes.writeBigUInt64LE(value, 16 + i * 16);
  });
  return bytes;
}
