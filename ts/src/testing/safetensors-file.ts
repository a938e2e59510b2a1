// Lays tensors out as a safetensors file, sound or not: https://huggingface.co/docs/safetensors.

/** A tensor as bytes. */
export interface StoredTensor {
  readonly name: string
  /** As safetensors calls it: F32, BF16, ... */
  readonly dtype: string
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** What the header says of one tensor. */
export interface TensorEntry {
  dtype: string
  shape: readonly number[]
  data_offsets: [number, number]
}

const LENGTH_BYTES = 8

/** Length of the header, header, tensors end to end. */
export function safetensorsFile(tensors: readonly StoredTensor[]): Buffer {
  const header: Record<string, TensorEntry> = {}
  let end = 0
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] }
    end += bytes.length
  }
  return joined(JSON.stringify(header), Buffer.concat(tensors.map(({ bytes }) => bytes)))
}

/** The same file with a header that `change` has changed. */
export function withHeader(file: Buffer, change: (header: Record<string, TensorEntry>) => void): Buffer {
  const bodyStart = LENGTH_BYTES + Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', LENGTH_BYTES, bodyStart)) as Record<string, TensorEntry>
  change(header)
  return joined(JSON.stringify(header), file.subarray(bodyStart))
}

function joined(json: string, body: Buffer): Buffer {
  const header = Buffer.from(json.padEnd(Math.ceil(Buffer.byteLength(json) / 8) * 8))
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeBigUInt64LE(BigInt(header.length))
  return Buffer.concat([length, header, body])
}
