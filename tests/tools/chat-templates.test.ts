// Which formats chat templates teach: lines of each kind of template here, and real templates where the folder shared has them.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { REASONING_FORMATS, reasoningParserFor, reasoningParserNamed } from '../../ts/src/server/reasoning/index.js'
import { TOOL_FORMATS, toolParserFor, toolParserNamed } from '../../ts/src/server/tools/index.js'

type Formats = readonly [tools: string | undefined, reasoning: string | undefined]

/** Lines that are in templates of each kind. */
const lines: readonly (readonly [string, ...Formats])[] = [
  ['', undefined, undefined],
  ["{{ '<|im_start|>' + message.role + content }}", undefined, undefined],
  ['within <tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>}', 'hermes', undefined],
  ["<tool_call>{{ x }}</tool_call>{{ '<think>\n' }}", 'hermes', 'qwen3'],
  ["{{ '\n<tool_call>\n<function=' + tool_call.name + '>\n' }}", 'qwen3_coder', undefined],
  [
    "{% set toolcall_begin = '<seed:tool_call>' %}<function={% set think = '<seed:think>' %}",
    'qwen3_coder',
    'seed_oss',
  ],
  ['<tool_call>{name}\n<arg_key>{arg-key-1}</arg_key>', 'glm45', undefined],
  ['Respond in the format {"name": function name, "parameters": dictionary}.', 'llama3_json', undefined],
  ["{{ '[TOOL_CALLS]' + name + '[ARGS]' }}", 'mistral', undefined],
  ["[TOOL_CALLS] {{ '[THINK]' + block['thinking'] }}", 'mistral', 'mistral'],
  ['Please respond with a python list of the calls.', 'pythonic', undefined],
  ["'<｜tool▁call▁begin｜>' + name {{ '<｜Assistant｜>' }} content.split('</think>')", 'deepseek_v3', 'deepseek_r1'],
  ["<{{ '｜DSML｜' }}invoke {% set open = '<think>' %}", 'deepseek_v32', 'qwen3'],
  ['<|tool_calls_section_begin|>', 'kimi_k2', undefined],
  ['<|tool_calls_section_begin|><think></think>', 'kimi_k2', 'kimi_k2'],
  ["{{ '<|start_of_role|>assistant<|end_of_role|><|tool_call|>' }}", 'granite', undefined],
  [
    'Write your thoughts between <think></think> and your response between <response></response>',
    undefined,
    'granite33',
  ],
  ["Start with 'Here is my thought process:'", undefined, 'granite'],
  ['<function_call> {}', 'granite-20b-fc', undefined],
  ['functools[{"name": [function name]}]', 'phi4_mini_json', undefined],
  ['<|action_start|><|plugin|>', 'internlm', undefined],
  ["{{ '\n<tool_calls>[' }} [BEGIN FINAL RESPONSE]", 'jamba', 'apriel'],
  ["{{ '<|tool_call>call:' }} <|channel>thought", 'gemma4', 'gemma4'],
  ["{% set open = '<|tools_prefix|>' %}<|inner_prefix|>", 'apertus', 'apertus'],
  ["{{ '<start_function_call>call:' }}", 'functiongemma', undefined],
  ["{% set begin = '<minimax:tool_call>' %}<invoke name=", 'minimax_m2', undefined],
  ["{{ '<TOOLCALL>[' }}<think>", 'nemotron_json', 'qwen3'],
  ["{{ '>>>all' }}", 'functionary_v3_2', undefined],
  ['<|START_THINKING|> then <|START_ACTION|>', 'cohere', 'cohere'],
]

/** Templates of the folder of real ones that are not plain; all others teach neither tools nor reasoning. */
const real: Readonly<Record<string, Formats>> = {
  'Apertus-8B-Instruct': ['apertus', 'apertus'],
  'Apriel-1.6-15b-Thinker-fixed': ['jamba', 'apriel'],
  'Bielik-11B-v3.0-Instruct': ['hermes', 'qwen3'],
  'ByteDance-Seed-OSS': ['qwen3_coder', 'seed_oss'],
  Cohere2MoE: ['cohere', 'cohere'],
  'CohereForAI-c4ai-command-r7b-12-2024-tool_use': ['cohere', 'cohere'],
  'GLM-4.6': ['glm45', 'qwen3'],
  'GLM-4.7-Flash': ['glm45', 'qwen3'],
  'GLM-5.2': ['glm45', 'qwen3'],
  'GigaChat3-10B-A1.8B': ['gigachat3', undefined],
  'GigaChat3.1-10B-A1.8B': ['gigachat3', undefined],
  'HuggingFaceTB-SmolLM3-3B': [undefined, 'qwen3'],
  'Kimi-K2-Instruct': ['kimi_k2', undefined],
  'Kimi-K2-Thinking': ['kimi_k2', 'kimi_k2'],
  'LFM2-8B-A1B': ['pythonic', undefined],
  'LFM2.5-Instruct': ['pythonic', 'qwen3'],
  'MiMo-VL': ['hermes', undefined],
  MiroThinker: ['hermes', 'qwen3'],
  'Mistral-Small-3.2-24B-Instruct-2506': ['mistral', undefined],
  'NVIDIA-Nemotron-3-Nano-30B-A3B-BF16': ['qwen3_coder', 'qwen3'],
  'NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use': ['hermes', undefined],
  'NousResearch-Hermes-3-Llama-3.1-8B-tool_use': ['hermes', undefined],
  'Qwen-QwQ-32B': ['hermes', 'qwen3'],
  'Qwen-Qwen2.5-7B-Instruct': ['hermes', undefined],
  'Qwen-Qwen3-0.6B': ['hermes', 'qwen3'],
  'Qwen3-Coder': ['qwen3_coder', undefined],
  'Qwen3.5-4B': ['qwen3_coder', 'qwen3'],
  'Reka-Edge': ['hermes', 'qwen3'],
  'StepFun3.5-Flash': ['qwen3_coder', 'qwen3'],
  'deepseek-ai-DeepSeek-R1-Distill-Llama-8B': ['deepseek_v3', 'qwen3'],
  'deepseek-ai-DeepSeek-R1-Distill-Qwen-32B': ['deepseek_v3', 'qwen3'],
  'deepseek-ai-DeepSeek-V3.1': ['deepseek_v3', 'qwen3'],
  'deepseek-ai-DeepSeek-V3.2': ['deepseek_v32', 'qwen3'],
  'deepseek-ai-DeepSeek-V4': ['deepseek_v32', 'qwen3'],
  'fireworks-ai-llama-3-firefunction-v2': ['phi4_mini_json', undefined],
  'google-gemma-4-31B-it-interleaved': ['gemma4', 'gemma4'],
  'google-gemma-4-31B-it': ['gemma4', 'gemma4'],
  'meetkai-functionary-medium-v3.2': ['functionary_v3_2', undefined],
  'ibm-granite-granite-3.3-2B-Instruct': ['granite', 'granite33'],
  'llama-cpp-deepseek-r1': ['deepseek_v3', 'qwen3'],
  'llama-cpp-rwkv-world': [undefined, 'qwen3'],
  'meetkai-functionary-medium-v3.1': ['qwen3_coder', undefined],
  'meta-llama-Llama-3.1-8B-Instruct': ['llama3_json', undefined],
  'meta-llama-Llama-3.2-3B-Instruct': ['llama3_json', undefined],
  'meta-llama-Llama-3.3-70B-Instruct': ['llama3_json', undefined],
  'mistralai-Ministral-3-14B-Reasoning-2512': ['mistral', 'mistral'],
  'mistralai-Mistral-Nemo-Instruct-2407': ['mistral', undefined],
  'moonshotai-Kimi-K2': ['kimi_k2', undefined],
  'stepfun-ai-Step-3.5-Flash': ['qwen3_coder', 'qwen3'],
  'unsloth-Apriel-1.5': ['jamba', 'apriel'],
  'unsloth-mistral-Devstral-Small-2507': ['mistral', undefined],
  'vllm-tool_chat_template_granite': ['granite', undefined],
  'vllm-tool_chat_template_granite_20b_fc': ['granite-20b-fc', undefined],
  'vllm-tool_chat_template_hermes': ['hermes', undefined],
  'vllm-tool_chat_template_internlm2_tool': ['internlm', undefined],
  'vllm-tool_chat_template_llama3.1_json': ['llama3_json', undefined],
  'vllm-tool_chat_template_llama3.2_json': ['llama3_json', undefined],
  'vllm-tool_chat_template_llama3.2_pythonic': ['pythonic', undefined],
  'vllm-tool_chat_template_mistral': ['mistral', undefined],
  'vllm-tool_chat_template_mistral_parallel': ['mistral', undefined],
  'vllm-tool_chat_template_toolace': ['pythonic', undefined],
  'tokenizer llama-3.1': ['llama3_json', undefined],
  'tokenizer mistral-v3': ['mistral', undefined],
  'tokenizer qwen2.5': ['hermes', undefined],
  'tokenizer qwen3': ['hermes', 'qwen3'],
}

const shared = process.env.QUIRE_SHARED ?? join(import.meta.dirname, '../../../shared')
const folder = join(shared, 'tokenizers', 'chat_templates')

test('lines of templates choose their formats, and no two formats claim one template', t => {
  for (const [source, tools, reasoning] of lines) check(source, [tools, reasoning], source)
  function check(source: string, expected: Formats, title: string): void {
    t.deepEqual([toolParserFor(source)?.name, reasoningParserFor(source)?.name], [...expected], title)
    t.true(TOOL_FORMATS.filter(format => format.taughtBy(source)).length <= 1, title)
  }
})

test('real templates choose their formats', t => {
  if (!existsSync(folder)) {
    t.log('SKIPPED: the folder shared has no tokenizers/chat_templates, and QUIRE_SHARED names no other')
    t.pass()
    return
  }
  const templates = new Map<string, string>()
  for (const file of readdirSync(folder)) {
    if (file.endsWith('.jinja')) templates.set(file.replace('.jinja', ''), readFileSync(join(folder, file), 'utf8'))
  }
  for (const name of readdirSync(join(shared, 'tokenizers'))) {
    const config = join(shared, 'tokenizers', name, 'tokenizer_config.json')
    if (!existsSync(config)) continue
    const template = JSON.parse(readFileSync(config, 'utf8')).chat_template as unknown
    if (typeof template === 'string') templates.set(`tokenizer ${name}`, template)
  }
  for (const [name, source] of templates) {
    const found = [toolParserFor(source)?.name, reasoningParserFor(source)?.name]
    t.deepEqual(found, [...(real[name] ?? [undefined, undefined])], name)
    t.true(TOOL_FORMATS.filter(format => format.taughtBy(source)).length <= 1, name)
  }
  for (const name of Object.keys(real)) t.true(templates.has(name), `${name} is there`)
})

test("formats have names of their own, vLLM's among them", t => {
  for (const formats of [TOOL_FORMATS, REASONING_FORMATS]) {
    const names = formats.flatMap(format => [format.name, ...format.aliases])
    t.is(new Set(names).size, names.length)
  }
  for (const name of [
    'hermes',
    'llama3_json',
    'llama4_pythonic',
    'mistral',
    'pythonic',
    'deepseek_v3',
    'deepseek_v31',
  ]) {
    t.truthy(toolParserNamed(name))
  }
  for (const name of [
    'qwen3_coder',
    'qwen3_xml',
    'glm45',
    'kimi_k2',
    'granite',
    'granite-20b-fc',
    'internlm',
    'jamba',
  ]) {
    t.truthy(toolParserNamed(name))
  }
  for (const name of ['deepseek_r1', 'qwen3', 'granite', 'mistral', 'step3', 'glm45', 'seed_oss', 'kimi_k2']) {
    t.truthy(reasoningParserNamed(name))
  }
  t.throws(() => toolParserNamed('nobody'), { code: 'ERR_INVALID_ARGUMENT', message: /one of .*hermes/ })
  t.throws(() => reasoningParserNamed('nobody'), { code: 'ERR_INVALID_ARGUMENT', message: /one of .*qwen3/ })
})
