// The work that every peer is given: the same token ids, the same counts. Plain JavaScript, so that any runtime runs it.

export const threads = Number(process.env.BENCH_THREADS ?? 2)
/** New tokens of each stream. */
export const decodeTokens = Number(process.env.BENCH_DECODE_TOKENS ?? 128)

/** Deterministic ids of ordinary tokens, so that no peer can reuse another prompt's cache. */
export function promptOf(length, seed) {
  let state = seed * 2654435761 + 1
  return Array.from({ length }, () => {
    state = (state * 1103515245 + 12345) % 2147483648
    return 1000 + (state % 40000)
  })
}

/** Milliseconds since this process began. */
export const sinceStart = () => performance.now()

/**
 * Runs the workload against `peer` and prints one JSON line.
 * @param peer generate(ids, count, onToken) resolves when `count` tokens of one prompt are there; many(prompts, count) for all at once.
 */
export async function measure(name, peer) {
  if (process.env.BENCH_WORK === 'steady') return steady(peer)
  await peer.generate(promptOf(16, 1), 1)
  const coldMs = sinceStart()
  await peer.generate(promptOf(64, 2), 8) // warm-up

  let firstAt
  const startedAt = performance.now()
  await peer.generate(promptOf(512, 3), decodeTokens + 1, () => {
    firstAt ??= performance.now()
  })
  const endedAt = performance.now()

  const prompts = Array.from({ length: 16 }, (_, index) => promptOf(128, 100 + index))
  const manyAt = performance.now()
  await peer.many(prompts, decodeTokens)
  const manyMs = performance.now() - manyAt

  console.log(
    JSON.stringify({
      peer: name,
      cold_ms: coldMs,
      prefill_tokens_per_second: 512 / ((firstAt - startedAt) / 1000),
      decode_tokens_per_second: decodeTokens / ((endedAt - firstAt) / 1000),
      streams16_tokens_per_second: (16 * decodeTokens) / (manyMs / 1000),
      rss_mb: process.memoryUsage().rss / 1e6,
    }),
  )
}

/** One stream after the other until the process is killed; writes a byte for each token. */
async function steady(peer) {
  for (let seed = 1; ; seed += 1) await peer.generate(promptOf(16, seed), 256, () => process.stdout.write('.'))
}
