// `quire chat`: a conversation in the terminal. Ctrl-C stops the answer, not the program; Ctrl-D or /exit ends it.

import type { ChatMessage } from '../engine/index.js'
import { answererRows, openAnswerer, withoutShortNames } from './answerer/answerer-options.js'
import type { ExitCode } from './main.js'
import { helpOf, type OptionRow, parseOptions } from './options.js'
import type { Streams } from './streams.js'
import { TerminalLines } from './terminal-lines.js'

/** A server gives what room its model's context leaves; more than that it would refuse. */
const DEFAULT_LENGTHS = { model: 1024, server: undefined }

const rows: readonly OptionRow[] = [
  { name: 'system-prompt', kind: 'text', value: 'TEXT', help: 'a system message that begins the conversation' },
  { name: 'system', kind: 'text', value: 'TEXT', help: 'the same' },
  ...answererRows,
]

const hint = '/clear forgets the conversation, /exit or Ctrl-D ends, Ctrl-C stops an answer.'

export const chatCommand = {
  summary: 'talk in the terminal',
  help: `Usage: quire chat [options]\n\nTalks in the terminal, with a model in this process or with a server. ${hint}\n\nOptions:\n${helpOf(rows)}\n`,
  run: chat,
}

async function chat(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const options = parseOptions(withoutShortNames(args), rows)
  const { own } = options
  await using answerer = await openAnswerer(options, DEFAULT_LENGTHS, streams, process.env)
  const system = (own['system-prompt'] ?? own.system) as string | undefined
  const opening: readonly ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }]
  const lines = new TerminalLines(streams, hint, own.stats === true)
  const quick = own.quick as string | undefined
  if (quick !== undefined) {
    return await lines.one(signal => answerer.answer([...opening, { role: 'user', content: quick }], signal))
  }
  let messages = opening
  await lines.run(async line => {
    if (line === '/exit') return false
    if (line === '/clear') {
      messages = opening
      return true
    }
    const asked = [...messages, { role: 'user', content: line }]
    const { text, failed } = await lines.show(signal => answerer.answer(asked, signal))
    // A failed answer leaves the conversation as it was; a stopped one keeps what was said.
    if (!failed) messages = [...asked, { role: 'assistant', content: text }]
    return true
  })
  return 0
}
