// Reasoning between two marks at the beginning of an answer. Prompts may have opened or closed it already. White space
// next to the marks belongs to them.

import { type Reading, SPACE, TextCursor } from '../tools/text-cursor.js'
import type { ReasoningEvent, ReasoningFormat, ReasoningParser } from './reasoning-parser.js'

export interface ReasoningMarks {
  readonly opening: readonly string[]
  readonly closing: readonly string[]
  /** Marks that end the reasoning and belong to what follows. */
  readonly endsBefore?: readonly string[]
  /** Marks around the answer, which are no content. */
  readonly dropped?: readonly string[]
  /** The model thinks at once where neither prompt nor answer have an opening mark. */
  readonly startsInside?: boolean
}

export function delimitedFormat(
  form: ReasoningMarks & {
    readonly name: string
    readonly aliases?: readonly string[]
    readonly keepsSpecialTokens?: boolean
    readonly taughtBy: (templateSource: string) => boolean
  },
): ReasoningFormat {
  const { name, aliases = [], keepsSpecialTokens = false, taughtBy } = form
  return {
    name,
    aliases,
    keepsSpecialTokens,
    taughtBy,
    marks: { opening: form.opening, closing: [...form.closing, ...(form.endsBefore ?? [])] },
    beginsInside: prompt => insideAfter(prompt, form),
    createParser: ({ prompt = '' } = {}) => new DelimitedReasoning(form, insideAfter(prompt, form)),
  }
}

/** Whether the answer begins inside of the reasoning. */
function insideAfter(prompt: string, { opening, closing, startsInside = false }: ReasoningMarks): boolean {
  const end = prompt.trimEnd()
  if (opening.some(mark => end.endsWith(mark.trimEnd()))) return true
  return startsInside && !closing.some(mark => end.endsWith(mark.trimEnd()))
}

class DelimitedReasoning implements ReasoningParser {
  readonly #cursor = new TextCursor()
  readonly #marks: ReasoningMarks
  readonly #reading: Reading
  #events: ReasoningEvent[] = []

  constructor(marks: ReasoningMarks, startsInside: boolean) {
    this.#marks = marks
    this.#reading = this.#read(startsInside)
  }

  push(delta: string): readonly ReasoningEvent[] {
    this.#cursor.append(delta)
    return this.#resume()
  }

  finish(): readonly ReasoningEvent[] {
    this.#cursor.end()
    return this.#resume()
  }

  #resume(): readonly ReasoningEvent[] {
    this.#reading.next()
    const events = this.#events
    this.#events = []
    return events
  }

  *#read(startsInside: boolean): Reading {
    const { opening } = this.#marks
    const cursor = this.#cursor
    cursor.hold()
    yield* cursor.skip(SPACE)
    const opened = (yield* cursor.acceptAny(opening)) !== undefined
    if (opened) cursor.release()
    else cursor.rewind()
    if (opened || startsInside) yield* this.#reasoning()
    yield* this.#content()
  }

  *#reasoning(): Reading {
    const { closing, endsBefore = [] } = this.#marks
    const cursor = this.#cursor
    yield* cursor.skip(SPACE)
    // White space is reasoning if reasoning follows.
    let space = ''
    const mark = yield* cursor.takeUntil([...closing, ...endsBefore], part => {
      const all = space + part
      const end = all.trimEnd().length
      this.#emit('reasoning', all.slice(0, end))
      space = all.slice(end)
    })
    if (mark === undefined) this.#emit('reasoning', space)
    else if (endsBefore.includes(mark)) this.#emit('content', mark)
    else yield* cursor.skip(SPACE)
  }

  *#content(): Reading {
    const cursor = this.#cursor
    const { dropped = [] } = this.#marks
    for (;;) {
      const mark = yield* cursor.takeUntil(dropped, part => this.#emit('content', part))
      if (mark === undefined) return
      yield* cursor.skip(SPACE)
    }
  }

  #emit(kind: 'reasoning' | 'content', text: string): void {
    if (text === '') return
    const last = this.#events.at(-1)
    if (last?.kind === kind) this.#events.splice(-1, 1, { kind, text: last.text + text })
    else this.#events.push({ kind, text })
  }
}
