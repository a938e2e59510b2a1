// Frames of msgpack, each after its length in four big-endian bytes. It knows no request.

import { Decoder, Encoder } from '@msgpack/msgpack'

export const MAX_FRAME_BYTES = 16 * 1024 * 1024
const LENGTH_BYTES = 4

/** Data of one call: a frame must hold them and the names around them. */
export const MAX_DATA_BYTES = 8 * 1024 * 1024

/** A message of the wire: a map with names as keys. */
export type Message = Readonly<Record<string, unknown>>

const encoder = new Encoder()
const MAX_ITEMS = 1 << 20
const decoder = new Decoder({
  maxArrayLength: MAX_ITEMS,
  maxMapLength: MAX_ITEMS,
  maxStrLength: MAX_FRAME_BYTES,
  maxBinLength: MAX_FRAME_BYTES,
})

/** One frame. @throws RangeError for a message above the limit. */
export function encodeFrame(message: Message): Buffer {
  const body = encoder.encodeSharedRef(message)
  if (body.length > MAX_FRAME_BYTES) {
    throw new RangeError(`A message of ${body.length} bytes is above the limit of ${MAX_FRAME_BYTES}`)
  }
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + body.length)
  frame.writeUInt32BE(body.length)
  frame.set(body, LENGTH_BYTES)
  return frame
}

/** Cuts a stream into messages. */
export class FrameReader {
  #chunks: Buffer[] = []
  #length = 0

  /** The messages that `chunk` completes. @throws Error for a frame that is too long, or is no msgpack map. */
  read(chunk: Buffer): Message[] {
    const messages: Message[] = []
    this.#chunks.push(chunk)
    this.#length += chunk.length
    while (this.#length >= LENGTH_BYTES) {
      const size = this.#bytes(LENGTH_BYTES).readUInt32BE()
      if (size === 0 || size > MAX_FRAME_BYTES) {
        throw new Error(`a frame says it has ${size} bytes; 1 to ${MAX_FRAME_BYTES} are allowed`)
      }
      if (this.#length < LENGTH_BYTES + size) break
      const frame = this.#bytes(LENGTH_BYTES + size)
      this.#chunks = frame.length > LENGTH_BYTES + size ? [frame.subarray(LENGTH_BYTES + size)] : []
      this.#length -= LENGTH_BYTES + size
      messages.push(decode(frame.subarray(LENGTH_BYTES, LENGTH_BYTES + size)))
    }
    return messages
  }

  /** Everything received, in one piece of at least `count` bytes. */
  #bytes(count: number): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && first.length >= count) {
      if (this.#chunks.length === 1) return first
      if (count === LENGTH_BYTES) return first
    }
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all]
    return all
  }
}

function decode(body: Buffer): Message {
  const message = decodeBody(body)
  if (typeof message !== 'object' || message === null || Array.isArray(message) || message instanceof Uint8Array) {
    throw new Error(`a frame of ${body.length} bytes holds no map`)
  }
  return message as Message
}

function decodeBody(body: Buffer): unknown {
  try {
    return decoder.decode(body)
  } catch (cause) {
    throw new Error(`a frame of ${body.length} bytes is no msgpack (${(cause as Error).message})`, { cause })
  }
}
