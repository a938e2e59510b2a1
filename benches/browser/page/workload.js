// The work that every peer on its page is given: the same texts, the same counts. Words are drawn by a seed, so that no two prompts
// begin alike and nobody answers from the cache of another.

const WORDS =
  'the a little girl boy dog cat went to park and saw big red ball tree house mom dad said was happy sad play with friend day sun water run jump look find new toy then they were very good'.split(
    ' ',
  )

/** A text of so many words. */
export function textOf(numWords, seed) {
  let state = (seed * 2654435761 + 1) % 2147483648
  return Array.from({ length: numWords }, () => {
    state = (state * 1103515245 + 12345) % 2147483648
    return WORDS[Math.floor((state / 2147483648) * WORDS.length)]
  }).join(' ')
}

/**
 * Loads a peer and runs the workload.
 * @param load gives `generate(text, count, onToken)`, which resolves to the number of prompt tokens when `count` tokens are there,
 * and `many(texts, count)`, which resolves to the number of new tokens of all.
 */
export async function measure(load, { promptWords, numTokens, rounds, manyPrompts, manyWords }) {
  const loadingAt = performance.now()
  const peer = await load()
  const figures = { load_ms: performance.now() - loadingAt, prefill: [], decode: [], one: [], many: [] }
  await peer.generate(textOf(8, 1), 8, () => {}) // warm-up: engines compile what runs often
  await peer.many([textOf(8, 2), textOf(8, 3)], 4)
  const tasks = watchLongTasks()
  for (let round = 0; round < rounds; round += 1) {
    const times = []
    const startedAt = performance.now()
    const promptTokens = await peer.generate(textOf(promptWords, 10 + round), numTokens, () =>
      times.push(performance.now()),
    )
    const first = times[0]
    const last = times.at(-1)
    figures.prompt_tokens = promptTokens
    figures.prefill.push(promptTokens / ((first - startedAt) / 1000))
    figures.decode.push((times.length - 1) / ((last - first) / 1000))
    const [single, ...texts] = Array.from({ length: 1 + manyPrompts }, (_, index) =>
      textOf(manyWords, 1000 + round * 100 + index),
    )
    figures.one.push(await rateOf(peer, [single], numTokens))
    figures.many.push(await rateOf(peer, texts, numTokens))
  }
  return { ...figures, long_tasks: tasks.length, longest_task_ms: Math.max(0, ...tasks) }
}

/** New tokens of all texts in a second of the whole time, prompts included. */
async function rateOf(peer, texts, numTokens) {
  const startedAt = performance.now()
  const tokens = await peer.many(texts, numTokens)
  return tokens / ((performance.now() - startedAt) / 1000)
}

/** Durations of what holds the page's thread for 50 ms and more, from now on. */
function watchLongTasks() {
  const tasks = []
  new PerformanceObserver(list => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
    type: 'longtask',
  })
  return tasks
}
