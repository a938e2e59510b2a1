// Every format of calls, over many arguments: what was written is what is told, wherever the text is cut.

import test from 'ava'
import { TOOL_FORMATS, type ToolDefinition, type ToolFormat } from '../../ts/src/server/tools/index.js'
import { CALL_WRITERS, type WrittenCall } from './call-writers.js'
import { type AnyEvent, cutsOf, eventsOf, seededRandom } from './event-text.js'

const tools: readonly ToolDefinition[] = [
  {
    name: 'get_weather',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string' },
        days: { type: 'integer' },
        ratio: { anyOf: [{ type: 'number' }, { type: 'null' }] },
        exact: { type: 'boolean' },
        tags: { type: 'array', items: { type: 'string' } },
        place: { $ref: '#/$defs/Place' },
      },
      $defs: { Place: { type: 'object' } },
    },
  },
  { name: 'now' },
  {
    name: 'write-file.v2',
    parameters: { type: 'object', properties: { path: { type: 'string' }, text: { type: 'string' } } },
  },
]

const argumentRows: Readonly<Record<string, WrittenCall>> = {
  plain: { name: 'get_weather', arguments: { city: 'Paris', days: 3 } },
  'every type': {
    name: 'get_weather',
    arguments: { city: 'x', days: -12, ratio: 0.25, exact: true, tags: ['a', 'b'], place: { lat: 1.5, near: null } },
  },
  'null and false': { name: 'get_weather', arguments: { ratio: null, exact: false } },
  empty: { name: 'now', arguments: {} },
  unicode: { name: 'get_weather', arguments: { city: '東京 — Zürich 🌧️ \u{1F468}\u{200D}\u{1F469}' } },
  'brackets in strings': { name: 'get_weather', arguments: { city: '}{][ "}" {"name": "now"}', tags: ['}', ']'] } },
  escapes: { name: 'get_weather', arguments: { city: 'a "quoted" \\ back\\slash \t tab, it\'s', tags: ['\\', '"'] } },
  lines: { name: 'write-file.v2', arguments: { path: 'a.txt', text: 'one\n\n  two\nthree' } },
  'text like numbers': { name: 'write-file.v2', arguments: { path: '12', text: 'true' } },
  'markup in strings': { name: 'write-file.v2', arguments: { path: '<b>', text: 'if (a < b) { return </x> && `c` }' } },
  nested: { name: 'get_weather', arguments: { place: { a: { b: [{ c: [[], {}] }, 'd'] } }, tags: [] } },
  'empty string': { name: 'get_weather', arguments: { city: '' } },
}

const allCalls = Object.values(argumentRows)
const around: readonly { readonly before: string; readonly after: string; readonly content: string }[] = [
  { before: '', after: '', content: '' },
  { before: 'Let me look < that [up] {now}.\n', after: '\n', content: 'Let me look < that [up] {now}.' },
  { before: '\n\n', after: '', content: '' },
]

for (const format of TOOL_FORMATS) {
  const writers = Object.entries(CALL_WRITERS[format.name] ?? {})
  test(`${format.name}: there are samples`, t => t.true(writers.length > 0))
  for (const [form, write] of writers) {
    test(`${format.name}, ${form}: calls of any arguments, wherever the text is cut`, t => {
      const random = seededRandom(7)
      for (const [title, call] of Object.entries(argumentRows)) {
        for (const { before, after, content } of around) {
          const text = before + write([call]) + after
          checkCuts(t, format, text, random, (events, where) => {
            t.is(contentOf(events), content, `${title}: content, ${where}`)
            t.deepEqual(callsOf(events), [call], `${title}: calls, ${where}`)
          })
        }
      }
    })

    test(`${format.name}, ${form}: several calls, all and the first only`, t => {
      const text = `Both:\n${write(allCalls)}`
      checkCuts(t, format, text, seededRandom(8), events => {
        t.deepEqual(callsOf(events), allCalls)
        t.is(contentOf(events), 'Both:')
      })
      const first = eventsOf(format.createParser({ tools, parallelToolCalls: false }), [text])
      t.deepEqual(callsOf(first), allCalls.slice(0, 1))
      t.is(contentOf(first), 'Both:')
    })

    test(`${format.name}, ${form}: a call that is cut off is content, or told without a mark`, t => {
      const text = write([argumentRows.nested as WrittenCall])
      for (let length = 1; length < text.length; length += 1) {
        const cut = text.slice(0, length)
        const events = eventsOf(format.createParser({ tools }), [cut])
        const calls = events.filter(event => event.kind === 'call')
        if (calls.length === 0) t.is(contentOf(events), cut, `cut after ${length}`)
        else t.is(contentOf(events), '', `cut after ${length}`)
      }
    })
  }

  test(`${format.name}: text without calls stays as it is`, t => {
    for (const text of plainTexts) {
      checkCuts(t, format, text, seededRandom(9), events => {
        t.deepEqual(callsOf(events), [])
        t.is(contentOf(events), text)
      })
    }
  })

  test(`${format.name}: any pieces of markup, in any order, end as content or calls`, t => {
    const random = seededRandom(10)
    const pieces = piecesOf(format)
    for (let round = 0; round < 300; round += 1) {
      const text = Array.from({ length: 12 }, () => pieces[Math.floor(random() * pieces.length)]).join('')
      const whole = eventsOf(format.createParser({ tools, newCallId: () => 'id' }), [text])
      const letters = eventsOf(format.createParser({ tools, newCallId: () => 'id' }), text.split(''))
      t.deepEqual(letters, whole, JSON.stringify(text))
      if (whole.every(event => event.kind === 'content')) t.is(contentOf(whole).trimEnd(), text.trimEnd())
    }
  })
}

const plainTexts = [
  '',
  '  \n',
  'Hello, world. 😀',
  'a < b, c <tool, [TOOL, {"a": [1, 2]}; {"name": "Ada"} <|x|> functool\n',
  '```json\n{"name": "someone", "parameters": 3}\n```\n[link](now) [now] now() {',
]

/** The marks of a format, torn into pieces, between JSON and words. */
function piecesOf({ name }: ToolFormat): readonly string[] {
  const written = Object.values(CALL_WRITERS[name] ?? {}).map(write => write([argumentRows.plain as WrittenCall]))
  const marks = written.flatMap(
    text => text.match(/<[^<>]+>|\[[A-Z_]+\]|functools|[{}[\]():,;]|"[^"]*"|\w+|\s+/g) ?? [],
  )
  return [...marks, ...written, ' ', 'word', '"', '\\', '{"name": "now", "arguments": {}}']
}

function checkCuts(
  t: { deepEqual(actual: unknown, expected: unknown, message?: string): unknown },
  format: ToolFormat,
  text: string,
  random: () => number,
  check: (events: readonly AnyEvent[], where: string) => void,
): void {
  const parser = () => {
    let count = 0
    return format.createParser({ tools, newCallId: () => `call-${count++}` })
  }
  const whole = eventsOf(parser(), [text])
  check(whole, 'whole')
  for (const pieces of cutsOf(text, random)) t.deepEqual(eventsOf(parser(), pieces), whole, JSON.stringify(pieces))
}

function contentOf(events: readonly AnyEvent[]): string {
  return events.map(event => (event.kind === 'content' ? event.text : '')).join('')
}

function callsOf(events: readonly AnyEvent[]): WrittenCall[] {
  return events.flatMap(event => {
    if (event.kind !== 'call') return []
    const text = events
      .map(other => (other.kind === 'arguments' && other.index === event.index ? other.text : ''))
      .join('')
    return [{ name: event.name, arguments: JSON.parse(text) as Record<string, unknown> }]
  })
}
