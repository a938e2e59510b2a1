// Which files of a repository a model or a tokenizer needs. It sees names only: where two formats hold the same weights,
// safetensors is taken and the others are left on the hub.

import { HubError } from '../errors.js'

/** The key of the index under which each tensor has its shard. */
const WEIGHT_MAP = 'weight_map'

/** What a snapshot is for. */
export type Purpose = 'model' | 'tokenizer'

export const WEIGHTS = 'model.safetensors'
export const WEIGHTS_INDEX = 'model.safetensors.index.json'
export const CONFIG = 'config.json'
export const TOKENIZER = 'tokenizer.json'

const TOKENIZER_FILES: ReadonlySet<string> = new Set([
  TOKENIZER,
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
])

/** The parts that tokenizer.json is made of: of use only where it is missing. */
const TOKENIZER_PARTS: ReadonlySet<string> = new Set([
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'tokenizer.model',
  'spiece.model',
])

const MODEL_FILES: ReadonlySet<string> = new Set([
  CONFIG,
  'generation_config.json',
  'modules.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
])

const TEMPLATES_FOLDER = 'additional_chat_templates/'

/** Pooling and dense layers of a sentence embedder. */
const SENTENCE_MODULE = /^\d+_[A-Za-z]+\/(?:config\.json|model\.safetensors)$/

/** The files that are needed beside the weights, in the order of `names`. */
export function selectFiles(names: readonly string[], purpose: Purpose): string[] {
  const hasTokenizer = names.includes(TOKENIZER)
  return names.filter(
    name =>
      TOKENIZER_FILES.has(name) ||
      (name.startsWith(TEMPLATES_FOLDER) && /^[^/]+\.jinja$/.test(name.slice(TEMPLATES_FOLDER.length))) ||
      (!hasTokenizer && TOKENIZER_PARTS.has(name)) ||
      (purpose === 'model' && (MODEL_FILES.has(name) || SENTENCE_MODULE.test(name))),
  )
}

/** The file of all weights, or else the index of their shards. @throws HubError if there is neither. */
export function selectWeights(names: readonly string[], model: string): typeof WEIGHTS | typeof WEIGHTS_INDEX {
  if (names.includes(WEIGHTS)) return WEIGHTS
  if (names.includes(WEIGHTS_INDEX)) return WEIGHTS_INDEX
  const others = names.filter(name => /\.(?:bin|gguf|onnx|pth?|h5|msgpack|safetensors)$/.test(name)).slice(0, 5)
  const found = others.length === 0 ? 'no weights at all' : `only ${others.join(', ')}`
  const ways = 'Name a repository or a revision that has them; many models have a converted copy as `@refs/pr/1`.'
  throw new HubError('ERR_HUB_NOT_FOUND', `${model} has no ${WEIGHTS} and no ${WEIGHTS_INDEX}, ${found}. ${ways}`, {
    details: { model, reason: 'weights' },
  })
}

/** The shards that an index names, each once. @throws HubError for an index that is none. */
export function shardsOf(index: string, model: string): string[] {
  let map: unknown
  try {
    map = (JSON.parse(index) as Readonly<Record<string, unknown>> | null)?.[WEIGHT_MAP]
  } catch {
    map = undefined
  }
  const shards = typeof map === 'object' && map !== null ? [...new Set(Object.values(map as object))] : []
  if (shards.length > 0 && shards.every((name): name is string => typeof name === 'string' && isShard(name)))
    return shards
  throw new HubError('ERR_HUB_DOWNLOAD', `${WEIGHTS_INDEX} of ${model} does not say which files have the weights.`, {
    details: { model, file: WEIGHTS_INDEX },
  })
}

/** A shard lies beside its index: the loader opens nothing else. */
function isShard(name: string): boolean {
  return /^[\w][\w.-]*\.safetensors$/.test(name)
}
