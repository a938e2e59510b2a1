// What the first bytes of a program or library say: the system and processor that it is for, and whether the file is whole.
// ELF: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html; Mach-O: mach/machine.h; PE: Microsoft's "PE Format".

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

export interface BinaryHeader {
  readonly system: 'linux' | 'darwin' | 'win32'
  /** As process.arch has it; every one that the file has code for. */
  readonly archs: readonly string[]
  /** Whether the file has the size that the header promises. One that was cut off can kill the process that loads it. */
  readonly isWhole: boolean
  /** The loader that a program for Linux asks for. */
  readonly interpreter?: string
}

const ELF_MACHINES: Readonly<Record<number, string>> = {
  3: 'ia32',
  8: 'mips',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
}
const MACH_MACHINES: Readonly<Record<number, string>> = { 16777223: 'x64', 16777228: 'arm64' }
const PE_MACHINES: Readonly<Record<number, string>> = { 332: 'ia32', 34404: 'x64', 43620: 'arm64' }

const PT_INTERP = 3
/** More than any file has of headers, and little to read. */
const MAX_HEADER_BYTES = 65_536

/** The header of a file; undefined if the file is none of the three formats, or cannot be read. */
export function readBinaryHeader(path: string): BinaryHeader | undefined {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return undefined
  }
  try {
    return parse(fstatSync(file).size, (position, length) => {
      const bytes = new Uint8Array(Math.min(length, MAX_HEADER_BYTES))
      return new DataView(bytes.buffer, 0, readSync(file, bytes, 0, bytes.length, position))
    })
  } catch (error) {
    // A view that ends before a field that the format has: the file is no whole header.
    if (error instanceof RangeError || (error as NodeJS.ErrnoException).code !== undefined) return undefined
    throw error
  } finally {
    closeSync(file)
  }
}

type Read = (position: number, length: number) => DataView

function parse(size: number, read: Read): BinaryHeader | undefined {
  const head = read(0, 64)
  const magic = head.getUint32(0)
  if (magic === 0x7f454c46) return parseElf(head, size, read)
  if (magic === 0xcffaedfe) return header('darwin', [MACH_MACHINES[head.getUint32(4, true)]])
  if (magic === 0xcafebabe) return parseUniversal(head.getUint32(4), read)
  if (magic >>> 16 === 0x4d5a) return parsePe(read(head.getUint32(0x3c, true), 6))
  return undefined
}

function parseElf(head: DataView, size: number, read: Read): BinaryHeader {
  const [is64, isLittleEndian] = [head.getUint8(4) === 2, head.getUint8(5) === 1]
  const facts = header('linux', [ELF_MACHINES[head.getUint16(18, isLittleEndian)]])
  if (!is64 || !isLittleEndian) return facts
  const [entryBytes, numEntries] = [head.getUint16(54, true), head.getUint16(56, true)]
  const table = read(Number(head.getBigUint64(32, true)), entryBytes * numEntries)
  let end = Number(head.getBigUint64(40, true)) + head.getUint16(58, true) * head.getUint16(60, true)
  let interpreter: string | undefined
  for (let entry = 0; entry < entryBytes * numEntries; entry += entryBytes) {
    const [offset, length] = [8, 32].map(field => Number(table.getBigUint64(entry + field, true))) as [number, number]
    end = Math.max(end, offset + length)
    if (table.getUint32(entry, true) === PT_INTERP) interpreter = textOf(read(offset, length))
  }
  return { ...facts, isWhole: size >= end, ...(interpreter !== undefined && { interpreter }) }
}

/** One file for several processors. Java's class files begin alike, with a version where the number of processors is. */
function parseUniversal(count: number, read: Read): BinaryHeader | undefined {
  if (count > 16) return undefined
  const table = read(8, 20 * count)
  return header(
    'darwin',
    Array.from({ length: count }, (_, index) => MACH_MACHINES[table.getUint32(20 * index)]),
  )
}

function parsePe(coff: DataView): BinaryHeader | undefined {
  return coff.getUint32(0) === 0x50450000 ? header('win32', [PE_MACHINES[coff.getUint16(4, true)]]) : undefined
}

function header(system: BinaryHeader['system'], archs: readonly (string | undefined)[]): BinaryHeader {
  return { system, archs: archs.map(arch => arch ?? 'another processor'), isWhole: true }
}

function textOf(view: DataView): string {
  return new TextDecoder().decode(view).replace(/\0.*$/s, '')
}
