// Splits the bytes of an event stream into the data of its events: https://html.spec.whatwg.org/multipage/server-sent-events.html.
// Data is handed on where it lies; only events that come in pieces are copied.

const [CR, LF, SPACE] = [13, 10, 32]
/** More than any event of a language model has; a stream without an end must not fill the memory. */
const MOST_EVENT_BYTES = 64 * 1024 * 1024
const EMPTY: Buffer = Buffer.alloc(0)

/** Data of one event; the bytes are only there during the call. */
export type EventListener = (bytes: Buffer, start: number, end: number) => void

export class EventSplitter {
  readonly #listener: EventListener
  /** An unfinished line. */
  #rest: Buffer = EMPTY
  /** Data lines of an event that has more than one, or whose blank line is still to come. */
  #data: Buffer | undefined

  constructor(listener: EventListener) {
    this.#listener = listener
  }

  /** @throws Error for an event of unreasonable length, and what the listener throws. */
  push(bytes: Buffer, start: number, end: number): void {
    if (this.#rest.length === 0) {
      this.#lines(bytes, start, end)
      return
    }
    const joined = Buffer.concat([this.#rest, bytes.subarray(start, end)])
    this.#rest = EMPTY
    this.#lines(joined, 0, joined.length)
  }

  #lines(bytes: Buffer, start: number, end: number): void {
    let at = start
    while (at < end) {
      const feed = bytes.indexOf(LF, at)
      if (feed < 0 || feed >= end) break
      const lineEnd = feed > at && bytes[feed - 1] === CR ? feed - 1 : feed
      if (lineEnd === at) this.#dispatch()
      else if (this.#data === undefined && isBlankLine(bytes, feed + 1, end) && isData(bytes, at, lineEnd)) {
        // The usual event: one line of data, and the blank line after it is here already.
        this.#listener(bytes, dataStart(bytes, at), lineEnd)
        at = bytes[feed + 1] === CR ? feed + 3 : feed + 2
        continue
      } else if (isData(bytes, at, lineEnd)) this.#add(bytes.subarray(dataStart(bytes, at), lineEnd))
      at = feed + 1
    }
    if (at < end) this.#rest = Buffer.from(bytes.subarray(at, end))
    if (this.#rest.length + (this.#data?.length ?? 0) > MOST_EVENT_BYTES) throw new Error('an event does not end')
  }

  #add(line: Buffer): void {
    this.#data = this.#data === undefined ? Buffer.from(line) : Buffer.concat([this.#data, Buffer.of(LF), line])
  }

  #dispatch(): void {
    const data = this.#data
    this.#data = undefined
    if (data !== undefined) this.#listener(data, 0, data.length)
  }
}

function isBlankLine(bytes: Buffer, at: number, end: number): boolean {
  return at < end && (bytes[at] === LF || (bytes[at] === CR && at + 1 < end && bytes[at + 1] === LF))
}

/** `data:`, the only field that is looked at. */
function isData(bytes: Buffer, at: number, end: number): boolean {
  return (
    end - at >= 5 &&
    bytes[at] === 0x64 &&
    bytes[at + 1] === 0x61 &&
    bytes[at + 2] === 0x74 &&
    bytes[at + 3] === 0x61 &&
    bytes[at + 4] === 0x3a
  )
}

function dataStart(bytes: Buffer, at: number): number {
  return bytes[at + 5] === SPACE ? at + 6 : at + 5
}
