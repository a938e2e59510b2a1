// An event stream as the body of a web `Response`.

import type { EventSource } from './route.js'
import { StallWatch } from './stall-watch.js'

/** Bytes that may lie in the stream before its source is told to wait. */
const HIGH_WATER_BYTES = 64 << 10

export interface WebStreamOptions {
  readonly stallTimeoutMs: number
  readonly maxUnsentBytes: number
  /** Gets a function to be called when the client is gone. */
  readonly onBegin: (leave: () => void) => void
  /** Called once, when the stream is over in whatever way. */
  readonly done: () => void
}

export function webEventStream(source: EventSource, options: WebStreamOptions): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let drained = (): void => {}
  let isOver = false
  let controller: ReadableStreamDefaultController<Uint8Array>

  const finish = (): boolean => {
    if (isOver) return false
    isOver = true
    watch.caughtUp()
    options.done()
    return true
  }
  /** The reader does not read, or is gone. */
  const leave = (): void => {
    if (!finish()) return
    source.cancel()
    controller.error(new DOMException('The reader of this stream is gone or does not read.', 'AbortError'))
  }
  const watch = new StallWatch(options.stallTimeoutMs, leave)

  return new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given
        source.start({
          send: frame => {
            if (isOver) return false
            controller.enqueue(encoder.encode(frame))
            // A reader that waits takes it at once, asks for more, and may so have got to the end.
            if (isOver) return false
            const room = controller.desiredSize ?? 0
            if (room > 0) return true
            if (HIGH_WATER_BYTES - room > options.maxUnsentBytes) leave()
            else watch.behind()
            return false
          },
          onDrain: listener => {
            drained = listener
          },
          end: () => {
            if (finish()) controller.close()
          },
        })
        options.onBegin(leave)
      },
      pull() {
        watch.caughtUp()
        drained()
      },
      cancel() {
        if (finish()) source.cancel()
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_BYTES }),
  )
}
