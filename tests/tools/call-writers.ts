// How models of each format write calls, as their chat templates show it.

export interface WrittenCall {
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
}

export type CallWriter = (calls: readonly WrittenCall[]) => string

const json = JSON.stringify
const named = (call: WrittenCall) => json({ name: call.name, arguments: call.arguments })
const list = (calls: readonly WrittenCall[]) => `[${calls.map(named).join(', ')}]`
const value = (argument: unknown) => (typeof argument === 'string' ? argument : json(argument))

/** A value in Python's words. */
export function python(argument: unknown): string {
  if (argument === null) return 'None'
  if (typeof argument === 'boolean') return argument ? 'True' : 'False'
  if (Array.isArray(argument)) return `[${argument.map(python).join(', ')}]`
  if (typeof argument === 'object') {
    return `{${Object.entries(argument)
      .map(([key, member]) => `${python(key)}: ${python(member)}`)
      .join(', ')}}`
  }
  if (typeof argument !== 'string') return String(argument)
  const escaped = argument
    .replaceAll('\\', '\\\\')
    .replaceAll("'", "\\'")
    .replaceAll('\n', '\\n')
    .replaceAll('\t', '\\t')
  return `'${escaped}'`
}

const xml = (open: string, close: string) => (calls: readonly WrittenCall[]) =>
  calls
    .map(call => {
      const parameters = Object.entries(call.arguments)
        .map(([key, argument]) => `<parameter=${key}>\n${value(argument)}\n</parameter>\n`)
        .join('')
      return `${open}\n<function=${call.name}>\n${parameters}</function>\n${close}`
    })
    .join('\n')

export const CALL_WRITERS: Readonly<Record<string, Readonly<Record<string, CallWriter>>>> = {
  apertus: {
    list: calls =>
      `<|tools_prefix|>[${calls.map(call => json({ [call.name]: call.arguments })).join(', ')}]<|tools_suffix|>`,
  },
  cohere: {
    list: calls =>
      `<|START_ACTION|>[\n${calls
        .map((call, index) => json({ tool_call_id: String(index), tool_name: call.name, parameters: call.arguments }))
        .join(',\n    ')}\n]<|END_ACTION|>`,
  },
  deepseek_v3: {
    v3: calls =>
      `<｜tool▁calls▁begin｜>${calls
        .map(
          call =>
            `<｜tool▁call▁begin｜>function<｜tool▁sep｜>${call.name}\n\`\`\`json\n${json(call.arguments)}\n\`\`\`<｜tool▁call▁end｜>`,
        )
        .join('\n')}<｜tool▁calls▁end｜>`,
    v31: calls =>
      `<｜tool▁calls▁begin｜>${calls
        .map(call => `<｜tool▁call▁begin｜>${call.name}<｜tool▁sep｜>${json(call.arguments)}<｜tool▁call▁end｜>`)
        .join('')}<｜tool▁calls▁end｜>`,
  },
  deepseek_v32: {
    dsml: calls =>
      `<｜DSML｜function_calls>\n${calls
        .map(
          call =>
            `<｜DSML｜invoke name="${call.name}">\n${Object.entries(call.arguments)
              .map(
                ([key, argument]) =>
                  `<｜DSML｜parameter name="${key}" string="${typeof argument === 'string'}">${value(argument)}</｜DSML｜parameter>\n`,
              )
              .join('')}</｜DSML｜invoke>\n`,
        )
        .join('')}</｜DSML｜function_calls>`,
  },
  functiongemma: {
    typed: calls =>
      calls
        .map(call => `<start_function_call>call:${call.name}${gemma(call.arguments, '<escape>')}<end_function_call>`)
        .join(''),
    'all quoted': calls =>
      calls
        .map(
          call =>
            `<start_function_call>call:${call.name}{${Object.entries(call.arguments)
              .map(([key, argument]) => `${key}:<escape>${value(argument)}<escape>`)
              .join(',')}}<end_function_call>`,
        )
        .join(''),
  },
  functionary_v3_2: { recipients: calls => calls.map(call => `>>>${call.name}\n${json(call.arguments)}`).join('\n') },
  gemma4: {
    calls: calls => calls.map(call => `<|tool_call>call:${call.name}${gemma(call.arguments)}<tool_call|>`).join(''),
  },
  gigachat3: { one: calls => calls.map(call => `<|function_call|>${named(call)}<|message_sep|>`).join('\n') },
  glm45: {
    lines: calls =>
      calls
        .map(
          call =>
            `<tool_call>${call.name}\n${Object.entries(call.arguments)
              .map(([key, argument]) => `<arg_key>${key}</arg_key>\n<arg_value>${value(argument)}</arg_value>\n`)
              .join('')}</tool_call>`,
        )
        .join('\n'),
    tight: calls =>
      calls
        .map(
          call =>
            `<tool_call>${call.name}${Object.entries(call.arguments)
              .map(([key, argument]) => `<arg_key>${key}</arg_key><arg_value>${value(argument)}</arg_value>`)
              .join('')}</tool_call>`,
        )
        .join(''),
  },
  granite: {
    list: calls =>
      `<|tool_call|>${json(
        calls.map(call => ({ name: call.name, arguments: call.arguments })),
        null,
        4,
      )}`,
    element: calls => calls.map(call => `<tool_call>${named(call)}</tool_call>`).join('\n'),
  },
  'granite-20b-fc': { objects: calls => calls.map(call => `<function_call> ${named(call)}`).join('\n') },
  hermes: {
    elements: calls => calls.map(call => `<tool_call>\n${named(call)}\n</tool_call>`).join('\n'),
    'arguments first': calls =>
      calls.map(call => `<tool_call>${json({ arguments: call.arguments, name: call.name })}</tool_call>`).join(''),
    'arguments as text': calls =>
      calls
        .map(call => `<tool_call>${json({ name: call.name, arguments: json(call.arguments) })}</tool_call>`)
        .join('\n'),
    "OpenAI's form": calls =>
      calls
        .map(
          call =>
            `<tool_call>${json({ type: 'function', function: { name: call.name, arguments: call.arguments } })}</tool_call>`,
        )
        .join('\n'),
    'a bracket too many': calls => calls.map(call => `<tool_call>\n${named(call)}}\n</tool_call>`).join('\n'),
    unclosed: calls => calls.map(call => `<tool_call>\n${named(call)}`).join('\n'),
    indented: calls =>
      calls
        .map(call => `<tool_call>${json({ id: 'x', name: call.name, arguments: call.arguments }, null, 2)}</tool_call>`)
        .join('\n'),
  },
  internlm: {
    action: calls => calls.map(call => `<|action_start|><|plugin|>\n${named(call)}<|action_end|>`).join('\n'),
  },
  jamba: { list: calls => `<tool_calls>${list(calls)}</tool_calls>` },
  kimi_k2: {
    section: calls =>
      `<|tool_calls_section_begin|>${calls
        .map(
          (call, index) =>
            `<|tool_call_begin|>functions.${call.name}:${index}<|tool_call_argument_begin|>${json(call.arguments)}<|tool_call_end|>`,
        )
        .join('')}<|tool_calls_section_end|>`,
  },
  llama3_json: {
    bare: calls => calls.map(call => json({ name: call.name, parameters: call.arguments })).join('; '),
    tagged: calls =>
      `<|python_tag|>${calls.map(call => json({ name: call.name, parameters: call.arguments })).join(';')}`,
    typed: calls =>
      calls.map(call => json({ type: 'function', name: call.name, parameters: call.arguments }, null, 1)).join('\n'),
  },
  minimax_m2: {
    invoke: calls =>
      `<minimax:tool_call>\n${calls
        .map(
          call =>
            `<invoke name="${call.name}">\n${Object.entries(call.arguments)
              .map(([key, argument]) => `<parameter name="${key}">${value(argument)}</parameter>\n`)
              .join('')}</invoke>\n`,
        )
        .join('')}</minimax:tool_call>`,
  },
  nemotron_json: { list: calls => `<TOOLCALL>${list(calls)}</TOOLCALL>` },
  mistral: {
    list: calls => `[TOOL_CALLS] ${list(calls)}`,
    named: calls => calls.map(call => `[TOOL_CALLS]${call.name}[ARGS]${json(call.arguments)}`).join(''),
    'named, without the second mark': calls =>
      calls.map(call => `[TOOL_CALLS]${call.name}${json(call.arguments)}`).join(''),
    'named, with ids': calls =>
      calls
        .map((call, index) => `[TOOL_CALLS]${call.name}[CALL_ID]abcdefgh${index}[ARGS]${json(call.arguments)}`)
        .join(''),
  },
  phi4_mini_json: {
    functools: calls => `functools${list(calls)}`,
    element: calls => `<|tool_call|>${list(calls)}<|/tool_call|>`,
  },
  pythonic: {
    bare: calls => pythonCalls(calls),
    'llama 4': calls => `<|python_start|>${pythonCalls(calls)}<|python_end|>`,
    lfm: calls => `<|tool_call_start|>${pythonCalls(calls)}<|tool_call_end|>`,
  },
  qwen3_coder: {
    qwen: xml('<tool_call>', '</tool_call>'),
    seed: xml('<seed:tool_call>', '</seed:tool_call>'),
    functionary: calls => calls.map(call => `<function=${call.name}>${json(call.arguments)}</function>`).join(''),
  },
}

function pythonCalls(calls: readonly WrittenCall[]): string {
  const one = (call: WrittenCall) =>
    `${call.name}(${Object.entries(call.arguments)
      .map(([key, argument]) => `${key}=${python(argument)}`)
      .join(', ')})`
  return `[${calls.map(one).join(', ')}]`
}

/** A value in Gemma's words. */
function gemma(argument: unknown, quote = '<|"|>'): string {
  if (typeof argument === 'string') return `${quote}${argument}${quote}`
  if (Array.isArray(argument)) return `[${argument.map(item => gemma(item, quote)).join(',')}]`
  if (typeof argument !== 'object' || argument === null) return String(argument)
  return `{${Object.entries(argument)
    .map(([key, member]) => `${key}:${gemma(member, quote)}`)
    .join(',')}}`
}
