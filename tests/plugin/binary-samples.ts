// Files that begin as libraries for other machines do, and have nothing in them.

/** For Linux. 62: x64, 183: arm64. */
export function elf(machine: number): Uint8Array {
  const bytes = Buffer.alloc(64)
  bytes.write('\x7fELF\x02\x01\x01', 0, 'latin1')
  bytes.writeUInt16LE(machine, 18)
  return bytes
}

/** For macOS. 0x01000007: x64, 0x0100000c: arm64. */
export function machO(cpu: number): Uint8Array {
  const bytes = Buffer.alloc(64)
  bytes.writeUInt32LE(0xfeedfacf, 0)
  bytes.writeUInt32LE(cpu, 4)
  return bytes
}

/** For macOS, several processors in one. */
export function universal(cpus: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(128)
  bytes.writeUInt32BE(0xcafebabe, 0)
  bytes.writeUInt32BE(cpus.length, 4)
  for (const [index, cpu] of cpus.entries()) bytes.writeUInt32BE(cpu, 8 + 20 * index)
  return bytes
}

/** For Windows. 0x8664: x64, 0xaa64: arm64. */
export function pe(machine: number): Uint8Array {
  const bytes = Buffer.alloc(128)
  bytes.write('MZ', 0, 'latin1')
  bytes.writeUInt32LE(64, 0x3c)
  bytes.write('PE\0\0', 64, 'latin1')
  bytes.writeUInt16LE(machine, 68)
  return bytes
}
