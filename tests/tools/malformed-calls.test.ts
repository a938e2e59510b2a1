// Calls that models get wrong, and calls that look odd and are right: what becomes content, what a call, wherever the text
// is cut.

import test from 'ava'
import { type ToolDefinition, toolParserNamed } from '../../ts/src/server/tools/index.js'
import { cutsOf, eventsOf, seededRandom } from './event-text.js'

const tools: readonly ToolDefinition[] = [
  {
    name: 'get_weather',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' }, code: { type: ['string', 'null'] } },
    },
  },
  { name: 'now' },
]

interface Row {
  readonly format: string
  readonly text: string
  readonly content?: string
  readonly calls?: readonly (readonly [name: string, args: string, id?: string])[]
}

const rows: Readonly<Record<string, Row>> = {
  'no JSON after the mark': {
    format: 'hermes',
    text: 'a <tool_call>oops</tool_call> b',
    content: 'a <tool_call>oops</tool_call> b',
  },
  'a name that is missing': {
    format: 'hermes',
    text: '<tool_call>{"arguments": {"a": 1}}</tool_call>',
    content: '<tool_call>{"arguments": {"a": 1}}</tool_call>',
  },
  'a name that is no string': {
    format: 'hermes',
    text: '<tool_call>{"name": 7, "arguments": {}}</tool_call>',
    content: '<tool_call>{"name": 7, "arguments": {}}</tool_call>',
  },
  'arguments that are no object': {
    format: 'hermes',
    text: '<tool_call>{"name": "now", "arguments": [1]}</tool_call>',
    content: '<tool_call>{"name": "now", "arguments": [1]}</tool_call>',
  },
  'arguments that are left out': {
    format: 'hermes',
    text: '<tool_call>{"name": "now"}</tool_call>',
    calls: [['now', '{}']],
  },
  'arguments that are null': {
    format: 'hermes',
    text: '<tool_call>{"name": "now", "arguments": null}</tool_call>',
    calls: [['now', '{}']],
  },
  'a broken call before a whole one': {
    format: 'hermes',
    text: '<tool_call>{"name": }</tool_call>\n<tool_call>{"name": "now", "arguments": {}}</tool_call>',
    content: '<tool_call>{"name": }</tool_call>',
    calls: [['now', '{}']],
  },
  'arguments that break in the middle go on as they were written': {
    format: 'hermes',
    text: '<tool_call>{"name": "now", "arguments": {"a": oops}}\n</tool_call>\nDone.',
    content: '\nDone.',
    calls: [['now', '{"a": oops}']],
  },
  'raw control characters in strings are escaped': {
    format: 'hermes',
    text: '<tool_call>{"name": "now", "arguments": {"a": "one\n\ttwo"}}</tool_call>',
    calls: [['now', '{"a": "one\\n\\ttwo"}']],
  },
  'a list in one element': {
    format: 'hermes',
    text: '<tool_call>[{"name": "now", "arguments": {}}, {"name": "now", "arguments": {"b": 2}}]</tool_call>',
    calls: [
      ['now', '{}'],
      ['now', '{"b": 2}'],
    ],
  },
  'a list whose second element is none': {
    format: 'mistral',
    text: '[TOOL_CALLS] [{"name": "now", "arguments": {}}, 3]',
    content: ', 3]',
    calls: [['now', '{}']],
  },
  'text between and after calls': {
    format: 'hermes',
    text: '<tool_call>{"name": "now"}</tool_call> and <tool_call>{"name": "now"}</tool_call> end\n',
    content: ' and end',
    calls: [
      ['now', '{}'],
      ['now', '{}'],
    ],
  },
  'deep nesting': {
    format: 'hermes',
    text: `<tool_call>{"name": "now", "arguments": {"a": ${'['.repeat(500)}${']'.repeat(500)}}}</tool_call>`,
    calls: [['now', `{"a": ${'['.repeat(500)}${']'.repeat(500)}}`]],
  },
  'a number with a leading zero is no JSON': {
    format: 'hermes',
    text: '<tool_call>{"name": "now", "arguments": {"a": 007}}</tool_call>',
    calls: [['now', '{"a": 007}']],
  },
  'JSON that is an answer and no call': {
    format: 'llama3_json',
    text: '{"name": "Ada", "parameters": {"age": 36}} {"name": "now", "age": 36}',
    content: '{"name": "Ada", "parameters": {"age": 36}} {"name": "now", "age": 36}',
  },
  'code after the tag of Python': {
    format: 'llama3_json',
    text: '<|python_tag|>print({"a": 1})',
    content: '<|python_tag|>print({"a": 1})',
  },
  'a call after text, without a mark': {
    format: 'llama3_json',
    text: 'Sure: {"name": "now", "parameters": {}}',
    content: 'Sure:',
    calls: [['now', '{}']],
  },
  'Mistral gives its ids': {
    format: 'mistral',
    text: '[TOOL_CALLS]now[CALL_ID]a1B2c3D4e[ARGS]{}',
    calls: [['now', '{}', 'a1B2c3D4e']],
  },
  'broken arguments end at the next mark': {
    format: 'mistral',
    text: '[TOOL_CALLS]now[ARGS]{a}[TOOL_CALLS]now[ARGS]{}',
    calls: [
      ['now', '{a}'],
      ['now', '{}'],
    ],
  },
  'a mark without a name': { format: 'mistral', text: '[TOOL_CALLS] ???', content: '[TOOL_CALLS] ???' },
  'Kimi gives its ids': {
    format: 'kimi_k2',
    text: '<|tool_calls_section_begin|><|tool_call_begin|>functions.now:3<|tool_call_argument_begin|>{}<|tool_call_end|>',
    calls: [['now', '{}', 'functions.now:3']],
  },
  'Python: values alone take their names from the schema': {
    format: 'pythonic',
    text: '[get_weather("Paris", 2)]',
    calls: [['get_weather', '{"city": "Paris", "days": 2}']],
  },
  'Python: numbers, quotes, escapes': {
    format: 'pythonic',
    text: `[now(a=1_000, b=.5, c=-1e3, d="""x"y""", e='\\x41\\u00e9\\'', f=(1, 2,), g={1: None})]`,
    calls: [['now', '{"a": 1000, "b": 0.5, "c": -1000, "d": "x\\"y", "e": "Aé\'", "f": [1, 2], "g": {"1": null}}']],
  },
  'Python: an expression is no literal': { format: 'pythonic', text: '[now(a=f(1))]', content: '[now(a=f(1))]' },
  'Python: a name that is no tool': { format: 'pythonic', text: '[print(a=1)]', content: '[print(a=1)]' },
  'Python: nesting without end': {
    format: 'pythonic',
    text: `[now(a=${'['.repeat(300)}`,
    content: `[now(a=${'['.repeat(300)}`,
  },
  'XML: types come from the schema': {
    format: 'qwen3_coder',
    text: "<tool_call>\n<function=get_weather>\n<parameter=city>\n75001\n</parameter>\n<parameter=days>\n3\n</parameter>\n<parameter=code>\nnull\n</parameter>\n<parameter=other>\n[1, 'a']\n</parameter>\n</function>\n</tool_call>",
    calls: [['get_weather', '{"city": "75001", "days": 3, "code": null, "other": [1, "a"]}']],
  },
  'XML: a value that fits no type stays text': {
    format: 'qwen3_coder',
    text: '<function=get_weather><parameter=days>soon</parameter></function>',
    calls: [['get_weather', '{"days": "soon"}']],
  },
  'XML: a value that is not closed ends at the next': {
    format: 'qwen3_coder',
    text: '<function=get_weather>\n<parameter=city>\nParis\n<parameter=days>\n3\n</function>\n</tool_call>',
    calls: [['get_weather', '{"city": "Paris", "days": 3}']],
  },
  'XML: a parameter twice': {
    format: 'qwen3_coder',
    text: '<function=get_weather><parameter=city>a</parameter><parameter=city>b</parameter></function>',
    calls: [['get_weather', '{"city": "a"}']],
  },
  'XML: a cut value stays open': {
    format: 'qwen3_coder',
    text: '<function=get_weather><parameter=city>Par',
    calls: [['get_weather', '{"city": "Par']],
  },
  'XML: prose about functions': {
    format: 'qwen3_coder',
    text: 'Write <function=name> like this, or <tool_call>.',
    content: 'Write <function=name> like this, or <tool_call>.',
  },
  'GLM: a call without arguments': { format: 'glm45', text: '<tool_call>now</tool_call>', calls: [['now', '{}']] },
  'GLM: no name': { format: 'glm45', text: '<tool_call>{"x"}</tool_call>', content: '<tool_call>{"x"}</tool_call>' },
  'Functionary: the prompt has the first mark': {
    format: 'functionary_v3_2',
    text: 'all\nHello.\n>>>now\n{}',
    content: 'Hello.',
    calls: [['now', '{}']],
  },
  'Functionary: a call comes first': {
    format: 'functionary_v3_2',
    text: 'now\n{"a": 1}',
    calls: [['now', '{"a": 1}']],
  },
  'Functionary: a session of Python is none': {
    format: 'functionary_v3_2',
    text: 'Type\n>>> now\n>>>print\n{}',
    content: 'Type\n>>> now\n>>>print\n{}',
  },
  'Functionary: broken arguments end at the next mark': {
    format: 'functionary_v3_2',
    text: 'now\n{a}\n>>>now\n{}',
    calls: [
      ['now', '{a}'],
      ['now', '{}'],
    ],
  },
  'Functionary: what is no call after broken arguments': {
    format: 'functionary_v3_2',
    text: 'now\n{a}\n>>>print\n{}',
    content: '>>>print\n{}',
    calls: [['now', '{a}']],
  },
  'Gemma: a value that is none': {
    format: 'gemma4',
    text: '<|tool_call>call:now{a:what}<tool_call|>',
    content: '<|tool_call>call:now{a:what}<tool_call|>',
  },
  'Apertus: a value that is no object': {
    format: 'apertus',
    text: '<|tools_prefix|>[{"now": 3}]<|tools_suffix|>',
    content: '<|tools_prefix|>[{"now": 3}]<|tools_suffix|>',
  },
  'DeepSeek: marks around nothing': {
    format: 'deepseek_v31',
    text: '<｜tool▁calls▁begin｜> none <｜tool▁calls▁end｜>',
    content: '<｜tool▁calls▁begin｜> none <｜tool▁calls▁end｜>',
  },
  'DeepSeek: broken arguments': {
    format: 'deepseek_v31',
    text: '<｜tool▁call▁begin｜>now<｜tool▁sep｜>{"a": }<｜tool▁call▁end｜>',
    calls: [['now', '{"a": }']],
  },
}

for (const [title, { format, text, content = '', calls = [] }] of Object.entries(rows)) {
  test(`${format}: ${title}`, t => {
    const parser = () => {
      let count = 0
      return toolParserNamed(format).createParser({ tools, newCallId: () => `id-${count++}` })
    }
    for (const pieces of [[text], ...cutsOf(text, seededRandom(1))]) {
      const events = eventsOf(parser(), pieces)
      const told = events.filter(event => event.kind === 'call')
      t.is(events.map(event => (event.kind === 'content' ? event.text : '')).join(''), content)
      t.deepEqual(
        told.map(({ index, name, id }) => [
          name,
          events.map(event => (event.kind === 'arguments' && event.index === index ? event.text : '')).join(''),
          id,
        ]),
        calls.map(([name, args, id], index) => [name, args, id ?? `id-${index}`]),
      )
    }
  })
}

/** Microseconds that this process computes for reading `count` pieces. */
function cpuTime(format: string, piece: string, count: number): number {
  const parser = toolParserNamed(format).createParser({ tools })
  const before = process.cpuUsage()
  for (let index = 0; index < count; index += 1) parser.push(piece)
  parser.finish()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

test('hostile repetition takes linear time', t => {
  for (const [format, piece] of [
    ['hermes', '<tool_call>{"a":"'],
    ['hermes', '<tool_call>'],
    ['hermes', ' \n'],
    ['llama3_json', '{"name":'],
    ['pythonic', '[now(a="[now('],
    ['pythonic', '[now([now('],
    ['qwen3_coder', '<tool_call><function=a'],
    ['qwen3_coder', '<function=now><parameter=a>'],
    ['deepseek_v3', '<｜tool▁call▁begin｜>'],
    ['mistral', '[TOOL_CALLS]a[ARGS]'],
  ] as const) {
    // Eight times as many pieces take 8 times as long, and 64 times if the time is quadratic; of a few looks one is undisturbed.
    const ratios: number[] = []
    while (ratios.length < 5 && !ratios.some(ratio => ratio < 24)) {
      ratios.push(cpuTime(format, piece, 16_000) / cpuTime(format, piece, 2_000))
    }
    t.true(Math.min(...ratios) < 24, `${format} ${piece}: ${ratios}`)
  }
})
