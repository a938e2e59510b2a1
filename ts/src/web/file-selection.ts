// Which files of a folder a model is made of. A web server lists no folder: every file that there may be is asked for.

import { parseModelJson } from '../config/index.js'
import { ModelError } from '../errors.js'
import { CONFIG, shardsOf, TOKENIZER, WEIGHTS, WEIGHTS_INDEX } from '../hub/file-selection.js'
import { bytesOfFile, type ModelFile, type ModelFolder } from './model-folder.js'

/** Beside config.json; none of them must be there. */
const MODEL_FILES = ['generation_config.json', 'modules.json', 'sentence_bert_config.json'] as const

const TOKENIZER_FILES = [
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  'chat_template.json',
] as const

/** Of use only where there is no tokenizer.json. */
const TOKENIZER_PARTS = ['vocab.json', 'vocab.txt', 'merges.txt', 'added_tokens.json'] as const

export interface SmallFile {
  readonly name: string
  readonly bytes: Uint8Array
}

/** What is read before the weights. */
export interface ModelPlan {
  readonly config: Readonly<Record<string, unknown>>
  /** All small files; those of the tokenizer among them. */
  readonly small: readonly SmallFile[]
  readonly weights: readonly ModelFile[]
  /** What a GGUF file says of its weights: their bytes in memory with blocks as blocks, and their number. */
  readonly packedBytes?: number
  readonly numParameters?: number
}

/** Reads the small files, and finds the weights. @throws ModelError, HubError. */
export async function planModel(
  folder: ModelFolder,
  onSmallFiles: (files: readonly SmallFile[]) => void,
): Promise<ModelPlan> {
  const configFile = await folder.open(CONFIG)
  if (configFile === undefined) {
    throw new ModelError(
      'ERR_MODEL_NOT_FOUND',
      `There is no config.json at ${folder.label}: it is no model's folder. A GGUF file is named by its own address.`,
      {
        details: { file: CONFIG },
      },
    )
  }
  const config: SmallFile = { name: CONFIG, bytes: await bytesOfFile(configFile) }
  const [beside, tokenizer] = await Promise.all([readEach(folder, MODEL_FILES), readTokenizer(folder)])
  const modules = await readModules(folder, beside)
  const small = [config, ...beside, ...modules.small, ...tokenizer]
  onSmallFiles(small)
  const { index, weights } = await findWeights(folder)
  return {
    config: jsonOf(config, folder.label),
    small: [...small, ...index],
    weights: [...weights, ...modules.weights],
  }
}

/** The files of a tokenizer alone. @throws ModelError, HubError. */
export async function readTokenizer(folder: ModelFolder): Promise<SmallFile[]> {
  const [whole, beside] = await Promise.all([readEach(folder, [TOKENIZER]), readEach(folder, TOKENIZER_FILES)])
  return [...whole, ...beside, ...(whole.length === 0 ? await readEach(folder, TOKENIZER_PARTS) : [])]
}

async function readEach(folder: ModelFolder, names: readonly string[]): Promise<SmallFile[]> {
  const read = await Promise.all(
    names.map(async (name): Promise<SmallFile[]> => {
      const file = await folder.open(name)
      return file === undefined ? [] : [{ name, bytes: await bytesOfFile(file) }]
    }),
  )
  return read.flat()
}

/** The folders that modules.json of a sentence embedder names. */
async function readModules(
  folder: ModelFolder,
  files: readonly SmallFile[],
): Promise<{ small: SmallFile[]; weights: ModelFile[] }> {
  const modules = files.find(({ name }) => name === 'modules.json')
  const parsed: unknown = modules === undefined ? [] : parse(modules)
  const paths = (Array.isArray(parsed) ? parsed : []).flatMap((module: { path?: unknown } | null) =>
    typeof module?.path === 'string' && /^\d+_[A-Za-z]+$/.test(module.path) ? [module.path] : [],
  )
  const small = await readEach(
    folder,
    paths.map(path => `${path}/config.json`),
  )
  const dense = paths.filter(path => /_Dense$/.test(path)).map(path => folder.open(`${path}/${WEIGHTS}`))
  return { small, weights: (await Promise.all(dense)).filter(file => file !== undefined) }
}

/** One file, or shards and the index that names them. */
async function findWeights(folder: ModelFolder): Promise<{ index: SmallFile[]; weights: ModelFile[] }> {
  const whole = await folder.open(WEIGHTS)
  if (whole !== undefined) return { index: [], weights: [whole] }
  const index = await folder.open(WEIGHTS_INDEX)
  if (index === undefined) {
    throw new ModelError(
      'ERR_MODEL_NOT_FOUND',
      `There is no ${WEIGHTS} and no ${WEIGHTS_INDEX} at ${folder.label}: weights in other formats are not read.`,
      { details: { file: WEIGHTS } },
    )
  }
  const bytes = await bytesOfFile(index)
  const weights = await Promise.all(
    shardsOf(new TextDecoder().decode(bytes), folder.label).map(async name => {
      const shard = await folder.open(name)
      if (shard !== undefined) return shard
      throw new ModelError('ERR_MODEL_NOT_FOUND', `${WEIGHTS_INDEX} names ${name}, which is not at ${folder.label}.`, {
        details: { file: name },
      })
    }),
  )
  return { index: [{ name: WEIGHTS_INDEX, bytes }], weights }
}

function jsonOf(file: SmallFile, label: string): Readonly<Record<string, unknown>> {
  const value = parse(file)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new ModelError('ERR_MODEL_INVALID', `${file.name} at ${label} is not a JSON object.`, {
    details: { file: file.name },
  })
}

function parse({ bytes }: SmallFile): unknown {
  try {
    return parseModelJson(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}
