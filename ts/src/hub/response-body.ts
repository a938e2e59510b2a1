// The bytes of an answer, with an end to every wait for more of them.

type Pieces = AsyncGenerator<Uint8Array, void, undefined>

/** Pieces as they come. Ends the answer when the loop is left. @throws if none comes for `idleMs`, or the connection is cut. */
export async function* bodyOf(response: Response, idleMs: number): Pieces {
  const reader = response.body?.getReader()
  if (reader === undefined) return
  try {
    for (;;) {
      const { done, value } = await within(reader.read(), idleMs)
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** Room for the pieces of `lentBodyOf`. */
const LENT_BYTES = 1 << 20

/**
 * The same in memory that is used again, where the body can be read so: a piece is good until the next is asked for. Pieces of
 * their own are garbage when they have been copied, of which a large file leaves tens of megabytes before it is collected.
 */
export async function* lentBodyOf(response: Response, idleMs: number): Pieces {
  const reader = lendingReader(response)
  if (reader === undefined) {
    yield* bodyOf(response, idleMs)
    return
  }
  try {
    let room = new Uint8Array(LENT_BYTES)
    for (;;) {
      const { done, value } = await within(reader.read(room), idleMs)
      if (done) return
      yield value
      room = new Uint8Array(value.buffer)
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

function lendingReader({ body }: Response): ReadableStreamBYOBReader | undefined {
  try {
    return body?.getReader({ mode: 'byob' })
  } catch {
    return undefined // a stream of anything, not of bytes
  }
}

/** Frees the connection of an answer that nobody reads. */
export async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {})
}

async function within<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no byte for ${milliseconds / 1000} s`)), milliseconds)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
