// What is wrong with a machine, from facts that others found out, and for each problem one command that mends it.

import type { CachedModel, CacheState, HubState } from '../hub/index.js'
import { bytesText } from '../progress-bar.js'

export interface Problem {
  readonly what: string
  /** A command line, and in words after `#` what is to be filled in. */
  readonly cure: string
  /** Whether nothing can run because of it. */
  readonly isFatal: boolean
}

export interface Facts {
  /** Undefined on other runtimes. */
  readonly nodeVersion: string | undefined
  readonly nativeError: string | undefined
  readonly selectionError: string | undefined
  /** Plugins over Python whose environment is not made, or not completely. */
  readonly missingEnvironments: readonly { readonly name: string; readonly state: string }[]
  readonly freeMemoryBytes: number
  readonly hub: HubState
  readonly cache: CacheState
  readonly models: readonly CachedModel[]
}

const LEAST_NODE = 20
const LITTLE_MEMORY_BYTES = 512 * 2 ** 20
const LITTLE_DISK_BYTES = 2 * 2 ** 30

/** Fatal ones first. */
export function diagnose(facts: Facts): Problem[] {
  const problems = [...runtimeProblems(facts), ...memoryProblems(facts), ...hubProblems(facts), ...cacheProblems(facts)]
  return problems.sort((a, b) => Number(b.isFatal) - Number(a.isFatal))
}

function* runtimeProblems(facts: Facts): Generator<Problem> {
  const { nodeVersion, nativeError, selectionError, missingEnvironments } = facts
  if (nodeVersion !== undefined && Number.parseInt(nodeVersion, 10) < LEAST_NODE) {
    const what = `Node ${nodeVersion} is too old: ${LEAST_NODE} or later is needed.`
    yield { what, cure: `npx -p node@${LEAST_NODE} -- npx quire doctor  # or install a newer Node`, isFatal: true }
  }
  if (nativeError !== undefined) {
    const what = `The native module cannot be loaded: ${nativeError}`
    yield { what, cure: 'npm install quire-llm --include=optional', isFatal: true }
  }
  if (selectionError !== undefined) {
    yield { what: selectionError, cure: 'QUIRE_PLUGINS=none QUIRE_FRAMEWORK=candle npx quire doctor', isFatal: true }
  }
  for (const { name, state } of missingEnvironments) {
    yield { what: `The Python environment of ${name} is ${state}.`, cure: `npx quire setup ${name}`, isFatal: false }
  }
}

function* memoryProblems({ freeMemoryBytes }: Facts): Generator<Problem> {
  if (freeMemoryBytes >= LITTLE_MEMORY_BYTES) return
  const what = `Only ${bytesText(freeMemoryBytes)} of memory are free: the KV cache will be small, and large models do not fit.`
  yield { what, cure: 'npx quire serve --kv-cache-memory 67108864  # or end other programs', isFatal: false }
}

function* hubProblems({ hub }: Facts): Generator<Problem> {
  if (hub.state === 'unreachable') {
    const what = `The hub at ${hub.endpoint} does not answer (${hub.reason}): models that are not in the cache cannot be had.`
    yield { what, cure: 'export HF_ENDPOINT=<mirror>  # or HF_HUB_OFFLINE=1 to use the cache alone', isFatal: false }
  }
  if (hub.token === 'refused') {
    const what = `The hub refuses the token: private and gated models cannot be had, and public ones may not.`
    yield { what, cure: `export HF_TOKEN=<token>  # from ${hub.endpoint}/settings/tokens`, isFatal: false }
  }
}

function* cacheProblems({ cache, models }: Facts): Generator<Problem> {
  if (cache.unwritable !== undefined) {
    const what = `The cache ${cache.directory} cannot be written (${cache.unwritable}): no model can be pulled.`
    yield { what, cure: 'export HF_HUB_CACHE=<folder>  # one that you may write', isFatal: false }
  }
  if (cache.freeBytes !== undefined && cache.freeBytes < LITTLE_DISK_BYTES) {
    const biggest = [...models].sort((a, b) => b.sizeBytes - a.sizeBytes)[0]
    const what = `Only ${bytesText(cache.freeBytes)} are free where the cache is.`
    const cure =
      biggest === undefined
        ? 'export HF_HUB_CACHE=<folder>  # on another disk'
        : `npx quire rm ${biggest.id}  # frees ${bytesText(biggest.sizeBytes)}`
    yield { what, cure, isFatal: false }
  }
  for (const { id, incompleteBytes } of models) {
    if (incompleteBytes === 0) continue
    const what = `The download of ${id} was cut off, and ${bytesText(incompleteBytes)} of it are kept.`
    yield { what, cure: `npx quire pull ${id}  # or \`npx quire rm ${id}\``, isFatal: false }
  }
}
