// Cuts a GGUF file in two, as `llama-gguf-split` does: the metadata goes with the first half of the tensors.

/** Bytes of a value of metadata by its type; texts and arrays are longer than that. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8] as const
const UINT16 = 2
const INT32 = 5
const TEXT = 8
const ARRAY = 9
const ALIGNMENT = 32

interface Tensor {
  readonly info: Buffer
  /** Where the offset stands in `info`. */
  readonly offsetAt: number
  readonly data: Buffer
}

interface Content {
  readonly numValues: bigint
  readonly metadata: Buffer
  readonly tensors: readonly Tensor[]
}

function read(bytes: Buffer): Content {
  let at = 8
  const u32 = () => {
    at += 4
    return bytes.readUInt32LE(at - 4)
  }
  const u64 = () => {
    at += 8
    return bytes.readBigUInt64LE(at - 8)
  }
  const skip = (numBytes: number) => {
    at += numBytes
  }
  const skipValue = (type: number): void => {
    if (type === TEXT) skip(Number(u64()))
    else if (type === ARRAY) {
      const [itemType, count] = [u32(), Number(u64())]
      for (let item = 0; item < count; item += 1) skipValue(itemType)
    } else skip(VALUE_BYTES[type] as number)
  }
  const [numTensors, numValues] = [Number(u64()), u64()]
  const metadataAt = at
  for (let value = 0n; value < numValues; value += 1n) {
    skipValue(TEXT)
    skipValue(u32())
  }
  const metadata = bytes.subarray(metadataAt, at)
  const found = Array.from({ length: numTensors }, () => {
    const begin = at
    skipValue(TEXT)
    skip(8 * u32() + 4)
    const offsetAt = at - begin
    return { offset: Number(u64()), offsetAt, info: Buffer.from(bytes.subarray(begin, at)) }
  })
  const dataAt = Math.ceil(at / ALIGNMENT) * ALIGNMENT
  const ends = [...found.map(({ offset }) => offset), bytes.length - dataAt].sort((a, b) => a - b)
  const tensors = found.map(({ offset, offsetAt, info }) => {
    const end = ends.find(end => end > offset) ?? offset
    return { info, offsetAt, data: bytes.subarray(dataAt + offset, dataAt + end) }
  })
  return { numValues, metadata, tensors }
}

function write({ numValues, metadata, tensors }: Content): Buffer {
  const head = Buffer.alloc(24)
  head.write('GGUF')
  head.writeUInt32LE(3, 4)
  head.writeBigUInt64LE(BigInt(tensors.length), 8)
  head.writeBigUInt64LE(numValues, 16)
  let offset = 0
  const data: Buffer[] = []
  const infos = tensors.map(tensor => {
    const info = Buffer.from(tensor.info)
    info.writeBigUInt64LE(BigInt(offset), tensor.offsetAt)
    data.push(padded(tensor.data))
    offset += padded(tensor.data).length
    return info
  })
  return Buffer.concat([padded(Buffer.concat([head, metadata, ...infos])), ...data])
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT)])
}

/** A value of metadata. */
function number(name: string, value: number, type: typeof UINT16 | typeof INT32): Buffer {
  const bytes = Buffer.alloc(8 + name.length + 4 + (type === UINT16 ? 2 : 4))
  bytes.writeBigUInt64LE(BigInt(name.length))
  bytes.write(name, 8)
  bytes.writeUInt32LE(type, 8 + name.length)
  if (type === UINT16) bytes.writeUInt16LE(value, 12 + name.length)
  else bytes.writeInt32LE(value, 12 + name.length)
  return bytes
}

/** The two parts of a file. */
export function splitGguf(bytes: Buffer): readonly [Buffer, Buffer] {
  const { numValues, metadata, tensors } = read(bytes)
  const ofPart = (part: number) => [
    number('split.no', part, UINT16),
    number('split.count', 2, UINT16),
    number('split.tensors.count', tensors.length, INT32),
  ]
  const half = tensors.length >> 1
  const first = { metadata: Buffer.concat([metadata, ...ofPart(0)]), tensors: tensors.slice(0, half) }
  const second = { metadata: Buffer.concat(ofPart(1)), tensors: tensors.slice(half) }
  return [write({ numValues: numValues + 3n, ...first }), write({ numValues: 3n, ...second })]
}
