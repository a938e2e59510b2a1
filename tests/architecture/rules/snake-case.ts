// The wire's words are snake_case, ours are camelCase; they meet in one place.

import { isPackageSource, type Rule, type SourceFile } from '../rule.js'
import { codeOf, findings } from '../source-text.js'

/**
 * Files outside of the server that read or write a format whose keys are somebody else's, each with the reason. Keep it
 * short: a new entry is a second place where a spelling changes.
 */
export const FOREIGN_FORMATS: Readonly<Record<string, string>> = {
  'ts/src/binding/wasm/glue.ts': "names an option of wasm-bindgen's",
  'ts/src/config/model-files.ts': "reads config.json, in transformers' words",
  'ts/src/bench/openai-wire.ts': 'writes requests and reads events of any OpenAI server, as a client',
  'ts/src/bench/serving/serving-metrics.ts': "names metrics by vLLM's keys",
  'ts/src/bench/serving/result-json.ts': "writes vLLM's result file",
  'ts/src/bench/offline/result-json.ts': "writes vLLM's result file",
  'ts/src/cli/batch/batch-line.ts': "reads and writes lines of OpenAI's batches",
  'ts/src/testing/tiny-models.ts': "writes config.json, in transformers' words",
  'ts/src/testing/tiny-checkpoint.ts': "writes config.json, in transformers' words",
  'ts/src/testing/safetensors-file.ts': 'writes the header of safetensors',
  'ts/src/testing/golden-model.ts': 'reads golden.json, as the scripts that make fixtures write it',
  'plugins/langchain/src/messages.ts': "reads and writes LangChain's messages",
  'plugins/langchain/src/call-options.ts': "reads LangChain's call options",
  'ts/src/testing/cases/error-cases.ts': 'breaks config.json and safetensors',
}

export const snakeCaseAtTheWire: Rule = {
  name: 'snake_case names live only in server/protocol/',
  applies: path =>
    isPackageSource(path) && !path.startsWith('ts/src/server/protocol/') && FOREIGN_FORMATS[path] === undefined,
  violations: ({ text }) =>
    findings(codeOf(text, 'blank'), /(?<![\w$])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w$])/g, match => match[0]),
  caught: [
    file('ts/src/engine/engine.ts', 'const body = { max_tokens: 5 }'),
    file('ts/src/llm.ts', 'return response.finish_reason'),
    file('plugins/torch/src/plugin.ts', 'interface A { token_ids: number[] }'),
  ],
  passes: [
    file('ts/src/engine/engine.ts', "const maxTokens = 5 // max_tokens\nconst MAX_TOKENS = 'max_tokens'"),
    file('ts/src/llm.ts', 'this.#finishReason'),
  ],
}

function file(path: string, text: string): SourceFile {
  return { path, text }
}
