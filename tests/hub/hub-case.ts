// A test's hub, cache and model, all of its own.

import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { DEFAULT_TOOLS, type PullTools } from '../../ts/src/hub/pull-model.js'
import type { ResolveOptions } from '../../ts/src/hub/resolve-model.js'
import { type Content, commit, HubServer } from './hub-server.js'

export const MODEL = 'acme/tiny-model'

/** Bytes that are not the same anywhere. */
export function bytes(length: number, seed = 1): Buffer {
  const out = Buffer.alloc(length)
  let state = seed
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    out[at] = state >>> 16
  }
  return out
}

export const modelFiles: Readonly<Record<string, Content>> = {
  'config.json': '{"architectures":["LlamaForCausalLM"]}',
  'generation_config.json': '{}',
  'tokenizer.json': `{"padding":"${'x'.repeat(2000)}"}`,
  'tokenizer_config.json': '{"a":1}',
  'chat_template.jinja': '{{ messages }}',
  'additional_chat_templates/tool_use.jinja': '{{ tools }}',
  'model.safetensors': bytes(300_000),
  'pytorch_model.bin': bytes(5000, 2),
  'model-q4.gguf': bytes(5000, 3),
  'onnx/model.onnx': bytes(5000, 4),
  'README.md': '# A model',
  '.gitattributes': '*.safetensors filter=lfs',
}

export const WEIGHTS = modelFiles['model.safetensors'] as Buffer

/** What of `modelFiles` a model needs. */
export const neededFiles = [
  'additional_chat_templates/tool_use.jinja',
  'chat_template.jinja',
  'config.json',
  'generation_config.json',
  'model.safetensors',
  'tokenizer.json',
  'tokenizer_config.json',
]

export interface HubCase {
  readonly server: HubServer
  readonly cacheDir: string
  /** The model's folder in the cache. */
  readonly repository: string
  /** No waits worth the name, parts of 100,000 bytes. */
  readonly tools: PullTools
  readonly options: ResolveOptions
}

/** @param files of the model at `main`. */
export async function hubCase(
  t: ExecutionContext,
  files: Readonly<Record<string, Content>> = modelFiles,
  id = MODEL,
): Promise<HubCase> {
  const server = await HubServer.start()
  t.teardown(() => server.close())
  server.repositories.set(id, { revisions: { main: commit(files) } })
  const cacheDir = await mkdtemp(join(tmpdir(), 'quire-hub-'))
  const tools: PullTools = {
    ...DEFAULT_TOOLS,
    retries: { ...DEFAULT_TOOLS.retries, firstWaitMs: 5, longestWaitMs: 20, longestAskedWaitMs: 3000 },
    partBytes: 100_000,
  }
  const env = {
    HF_ENDPOINT: server.endpoint,
    HF_HUB_CACHE: cacheDir,
    HF_HUB_DOWNLOAD_TIMEOUT: '30',
    HF_HUB_ETAG_TIMEOUT: '30',
  }
  return {
    server,
    cacheDir,
    repository: join(cacheDir, `models--${id.replace('/', '--')}`),
    tools,
    options: { env, tools, workingDirectory: cacheDir },
  }
}
