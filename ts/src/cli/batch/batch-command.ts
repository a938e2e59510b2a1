// `quire run-batch`, once it is called: the engine in this process, behind the server's own web handler.

import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Engine } from '../../engine/node-engine.js'
import { createHandler } from '../../server/index.js'
import { withInterrupt } from '../interrupt.js'
import type { ExitCode } from '../main.js'
import { type ParsedOptions, parseOptions } from '../options.js'
import { batchRows } from '../run-batch.js'
import { parseServeSettings } from '../serve-settings.js'
import type { Streams } from '../streams.js'
import { UsageError } from '../usage-error.js'
import { BatchOutput } from './batch-output.js'
import { type BatchCounts, runBatch } from './batch-run.js'
import { areSame, checkReadable, isUrl, readPlace, upload } from './batch-transfer.js'
import { textLines } from './text-lines.js'

const MOST_LINE_CHARACTERS = 2 ** 26
/** The server's own limits of them. */
const MOST_BODIES_BYTES = 2 ** 31 - 1
const MOST_WAITING = 2 ** 31 - 1
const DEFAULT_CONCURRENCY = 256
/** Sequences that may wait: requests are bounded here, each may ask for several. */
const QUEUE_PER_REQUEST = 128
const TOLD_EACH_MS = 10_000

export async function runBatchFile(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const { own, rest } = splitArguments(args)
  const [input, target] = [own['input-file'], own['output-file']] as (string | undefined)[]
  if (input === undefined || target === undefined) throw new UsageError('Give both: -i FILE and -o FILE.')
  const concurrency = (own['max-concurrency'] as number | undefined) ?? DEFAULT_CONCURRENCY
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new UsageError(`--max-concurrency needs a whole number of at least 1, got ${concurrency}.`)
  }
  const { engine: engineOptions, server } = parseServeSettings(rest, process.env)
  await checkReadable(input)
  if (await areSame(input, target)) {
    throw new UsageError('--output-file is --input-file: the answers would take the place of the requests.')
  }
  return withInterrupt(async (signal): Promise<ExitCode> => {
    const place = await placeOf(target, own['output-tmp-dir'] as string | undefined)
    const output = await BatchOutput.open(place.path, {
      overwrite: own.overwrite === true,
      retryFailed: own['retry-failed'] === true,
    })
    let finished = false
    try {
      await using engine = await Engine.create({ ...engineOptions, signal })
      // A batch is its caller's own: nobody else is to be kept out, and nothing is a lot.
      const { apiKeys: _, ...serverOptions } = server
      const handler = createHandler(engine, {
        ...serverOptions,
        maxBodyBytes: MOST_LINE_CHARACTERS * 4,
        maxBodiesBytes: MOST_BODIES_BYTES,
        maxQueue: Math.min(MOST_WAITING, Math.max(concurrency * QUEUE_PER_REQUEST, server.maxQueue ?? 0)),
        ui: false,
        accessLog: false,
      })
      const tell = teller(streams)
      const counts = await runBatch({
        handler,
        lines: textLines(readPlace(input, signal), MOST_LINE_CHARACTERS),
        output,
        maxConcurrency: concurrency,
        unordered: own.unordered === true,
        newId: () => `batch_req_${randomUUID().replaceAll('-', '')}`,
        onRow: tell,
        signal,
      })
      await output.finish()
      finished = true
      if (place.url !== undefined) await upload(place.path, place.url, signal)
      await place.remove()
      streams.stderr.write(`quire: ${summaryOf(counts)}\n`)
      return 0
    } catch (error) {
      if (!signal.aborted) throw error
      streams.stderr.write('quire: interrupted. Run the same command again to go on from here.\n')
      return 130
    } finally {
      if (!finished) await output.close()
    }
  })
}

interface Place {
  readonly path: string
  readonly url?: string
  remove(): Promise<void>
}

async function placeOf(target: string, temporary: string | undefined): Promise<Place> {
  if (!isUrl(target)) return { path: target, remove: async () => {} }
  const folder = await mkdtemp(join(temporary ?? tmpdir(), 'quire-batch-'))
  return { path: join(folder, 'output.jsonl'), url: target, remove: () => rm(folder, { recursive: true }) }
}

const SHORT: Readonly<Record<string, string>> = { '-i': '--input-file', '-o': '--output-file' }

/** The options of the batch itself, and those that are the server's. */
function splitArguments(args: readonly string[]): { readonly own: ParsedOptions['own']; readonly rest: string[] } {
  const kinds = new Map(batchRows.map(({ name, kind }) => [`--${name}`, kind]))
  const [own, rest]: [string[], string[]] = [[], []]
  for (let index = 0; index < args.length; index += 1) {
    const given = args[index] as string
    const arg = SHORT[given] ?? given
    const kind = kinds.get(arg.split('=', 1)[0] as string)
    if (kind === undefined) rest.push(given)
    else if (kind === 'flag' || arg.includes('=')) own.push(arg)
    else {
      index += 1
      own.push(args[index] === undefined ? arg : `${arg}=${args[index]}`)
    }
  }
  return { own: parseOptions(own, batchRows).own, rest }
}

/** A line every ten seconds. */
function teller({ stderr }: Streams): () => void {
  let [rows, toldAt] = [0, performance.now()]
  return () => {
    rows += 1
    if (performance.now() - toldAt < TOLD_EACH_MS) return
    toldAt = performance.now()
    stderr.write(`quire: ${rows} rows written\n`)
  }
}

function summaryOf({ lines, answered, failed, skipped }: BatchCounts): string {
  const earlier = skipped === 0 ? '' : `, ${skipped} done before`
  return `${lines} requests: ${answered} answered, ${failed} failed${earlier}`
}
