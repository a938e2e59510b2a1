// Reasoning parsers, alone and before a tool parser: what is thought and what is said, wherever the text is cut.

import test from 'ava'
import { REASONING_FORMATS, reasoningParserNamed } from '../../ts/src/server/reasoning/index.js'
import { createMessageParser, toolParserNamed } from '../../ts/src/server/tools/index.js'
import { cutsOf, eventsOf, seededRandom } from './event-text.js'

interface Row {
  readonly form: string
  readonly prompt?: string
  readonly text: string
  readonly reasoning: string
  readonly content: string
}

const rows: Readonly<Record<string, Row>> = {
  'opened by the model': {
    form: 'qwen3',
    text: '<think>\nHm, 3 < 4.\n\n</think>\n\nYes.\n',
    reasoning: 'Hm, 3 < 4.',
    content: 'Yes.\n',
  },
  'opened by the prompt': {
    form: 'qwen3',
    prompt: '<|im_start|>assistant\n<think>\n',
    text: 'Hm.\n</think>\n\nYes',
    reasoning: 'Hm.',
    content: 'Yes',
  },
  'opened by both': {
    form: 'qwen3',
    prompt: '<think>\n',
    text: '<think>\nHm.</think>Yes',
    reasoning: 'Hm.',
    content: 'Yes',
  },
  'closed by the prompt': {
    form: 'qwen3',
    prompt: '<think>\n\n</think>\n\n',
    text: 'Yes',
    reasoning: '',
    content: 'Yes',
  },
  'left out': { form: 'qwen3', text: ' Yes, <thin', reasoning: '', content: ' Yes, <thin' },
  empty: { form: 'qwen3', text: '<think>\n\n</think>\n\nYes', reasoning: '', content: 'Yes' },
  'marks in the answer are content': {
    form: 'qwen3',
    text: '<think>a</think>Use <think> and </think>.',
    reasoning: 'a',
    content: 'Use <think> and </think>.',
  },
  'marks that do not stand first are content': {
    form: 'qwen3',
    text: 'Use <think>b</think>.',
    reasoning: '',
    content: 'Use <think>b</think>.',
  },
  'cut off': { form: 'qwen3', text: '<think>a\n\n b </thin', reasoning: 'a\n\n b </thin', content: '' },
  'nothing at all': { form: 'qwen3', text: '', reasoning: '', content: '' },
  'marks in what the user wrote': {
    form: 'qwen3',
    prompt: 'What is <think>?\nassistant\n',
    text: 'A mark.',
    reasoning: '',
    content: 'A mark.',
  },
  'always thinking': { form: 'deepseek_r1', text: 'Hm.\n</think>\n\nYes', reasoning: 'Hm.', content: 'Yes' },
  'always thinking, with the mark': {
    form: 'deepseek_r1',
    text: '<think>Hm.</think>Yes',
    reasoning: 'Hm.',
    content: 'Yes',
  },
  'always thinking, cut off': { form: 'deepseek_r1', text: 'Hm. ', reasoning: 'Hm. ', content: '' },
  'always thinking, but for this prompt': {
    form: 'deepseek_r1',
    prompt: '<｜Assistant｜><think>\n</think>',
    text: 'Yes',
    reasoning: '',
    content: 'Yes',
  },
  sentences: {
    form: 'granite',
    text: 'Here is my thought process: Hm. Here is my response: Yes',
    reasoning: 'Hm.',
    content: 'Yes',
  },
  'sentences in short': {
    form: 'granite',
    text: "Here's my thought process:\nHm.\nHere's my response:\nYes",
    reasoning: 'Hm.',
    content: 'Yes',
  },
  'an answer in marks': {
    form: 'granite33',
    text: '<think>Hm.</think>\n<response>Yes</response>',
    reasoning: 'Hm.',
    content: 'Yes',
  },
  'special tokens': { form: 'magistral', text: '[THINK]Hm [x].[/THINK]Yes', reasoning: 'Hm [x].', content: 'Yes' },
  'a namespace': { form: 'seed_oss', text: '<seed:think>Hm.</seed:think>Yes', reasoning: 'Hm.', content: 'Yes' },
  'response tokens': {
    form: 'cohere',
    text: '<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Yes<|END_RESPONSE|>',
    reasoning: 'Hm.',
    content: 'Yes',
  },
  'the prompt has the sentence': {
    form: 'apriel',
    prompt: '<|begin_assistant|>\nHere are my reasoning steps:\n',
    text: 'Hm.\n[BEGIN FINAL RESPONSE]\nYes\n[END FINAL RESPONSE]',
    reasoning: 'Hm.',
    content: 'Yes\n',
  },
  'a channel': { form: 'gemma4', text: '<|channel>thought\nHm.\n<channel|>Yes', reasoning: 'Hm.', content: 'Yes' },
  'an inner part': {
    form: 'apertus',
    text: '<|inner_prefix|>Hm.<|inner_suffix|>Yes',
    reasoning: 'Hm.',
    content: 'Yes',
  },
  'a call ends it': {
    form: 'kimi_k2',
    text: '<think>Hm.<|tool_calls_section_begin|>',
    reasoning: 'Hm.',
    content: '<|tool_calls_section_begin|>',
  },
}

for (const [title, { form, prompt, text, reasoning, content }] of Object.entries(rows)) {
  test(`${form}: ${title}`, t => {
    for (const pieces of [[text], ...cutsOf(text, seededRandom(2))]) {
      const parser = reasoningParserNamed(form).createParser(prompt === undefined ? {} : { prompt })
      const events = eventsOf(parser, pieces)
      const textOf = (kind: string) =>
        events.map(event => (event.kind === kind && 'text' in event ? event.text : '')).join('')
      t.is(textOf('reasoning'), reasoning)
      t.is(textOf('content'), content)
    }
  })
}

test('every form has a row', t => {
  const tried = new Set(Object.values(rows).map(({ form }) => reasoningParserNamed(form).name))
  t.deepEqual(
    REASONING_FORMATS.filter(({ name }) => !tried.has(name)),
    [],
  )
})

test('reasoning comes first, its content is read for calls', t => {
  const text =
    '<think>\nI may write <tool_call>{"name": "no"}</tool_call>.\n</think>\n\nLook:\n<tool_call>{"name": "now", "arguments": {"a": 1}}</tool_call>'
  for (const pieces of cutsOf(text, seededRandom(3))) {
    const parser = createMessageParser({
      reasoning: reasoningParserNamed('qwen3').createParser(),
      tools: toolParserNamed('hermes').createParser({ tools: [], newCallId: () => 'id' }),
    })
    t.deepEqual(eventsOf(parser, pieces), [
      { kind: 'reasoning', text: 'I may write <tool_call>{"name": "no"}</tool_call>.' },
      { kind: 'content', text: 'Look:' },
      { kind: 'call', index: 0, id: 'id', name: 'now' },
      { kind: 'arguments', index: 0, text: '{"a": 1}' },
    ])
  }
})

test('without parts, everything is content', t => {
  t.deepEqual(eventsOf(createMessageParser({}), ['<think>', '', 'a']), [{ kind: 'content', text: '<think>a' }])
})
