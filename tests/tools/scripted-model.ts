// An engine whose model says what a test tells it to: answers in order, one a request. Its tokenizer is the bundled model's,
// its chat template one that knows tools and reasoning.

import type { Engine } from 'quire-llm'
import { createFakeEngine } from '../engine/fake-plugin.js'

const END_ID = 1

/** In the manner of Qwen: tools as JSON, calls in <tool_call>, thoughts in <think>. */
export const QWEN_TEMPLATE = `{% if tools %}<|system|>tools:{% for tool in tools %}{{ tool | tojson }}{% endfor %}
<tool_call>{"name": <function-name>, "arguments": <args-json-object>}</tool_call>{% endif %}
{%- for message in messages %}<|{{ message.role }}|>
{%- if message.reasoning_content %}<think>{{ message.reasoning_content }}</think>{% endif %}{{ message.content }}
{%- for call in message.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}
{%- if message.tool_call_id %} ({{ message.tool_call_id }}, {{ message.name }}){% endif %}<|end|>
{%- endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}{% if enable_thinking is false %}<think></think>{% endif %}`

const VOCAB_SIZE = 2048

interface Answer {
  readonly text: string
  readonly ids: Int32Array
}

export class ScriptedModel {
  readonly engine: Engine
  /** Answers that no request has had yet. */
  readonly #answers: Answer[]

  private constructor(engine: Engine, answers: Answer[]) {
    this.engine = engine
    this.#answers = answers
  }

  static async create(chatTemplate = QWEN_TEMPLATE): Promise<ScriptedModel> {
    const answers: Answer[] = []
    const running = new Map<number, { readonly answer: Answer; readonly promptLength: number }>()
    const { engine } = await createFakeEngine(
      {
        vocabSize: VOCAB_SIZE,
        maxModelLen: 4096,
        eosTokenIds: [END_ID],
        freeBytes: 1 << 24,
        onLogits: (row, sequenceId, ids) => {
          const answer = answers[0] ?? { text: '', ids: new Int32Array(0) }
          if (!running.has(sequenceId)) {
            running.set(sequenceId, { answer, promptLength: ids.length })
            answers.shift()
          }
          const known = running.get(sequenceId) ?? { answer, promptLength: ids.length }
          row.fill(0)
          score(row, known.answer, ids.slice(known.promptLength))
        },
      },
      { loadTokenizer: true, chatTemplate, blockSize: 16 },
    )
    const pieces = Array.from({ length: VOCAB_SIZE }, (_, id) => engine.decode([id], false))
    /** A grammar may have made other ids of the same text: then any piece of what is left will do, best the longest. Leads are wide: samplings draw. */
    function score(row: Float32Array, { text, ids }: Answer, said: readonly number[]): void {
      if (said.every((id, index) => id === ids[index])) row[ids[said.length] ?? END_ID] = 2000
      const begun = engine.decode(said, false)
      const rest = text.startsWith(begun) ? text.slice(begun.length) : ''
      if (begun === text) row[END_ID] = 1000
      for (const [id, piece] of pieces.entries()) {
        if (piece !== '' && rest.startsWith(piece)) row[id] = Math.max(row[id] as number, 20 * piece.length)
      }
    }
    // Of the sources, which is the class that bindings know from the built package.
    return new ScriptedModel(engine as unknown as Engine, answers)
  }

  /** What the next requests are answered with. What was to be said before, and was not, is forgotten. */
  async say(...texts: readonly string[]): Promise<void> {
    const ids = await this.engine.encode(texts, false)
    this.#answers.splice(
      0,
      this.#answers.length,
      ...texts.map((text, index) => ({ text, ids: ids[index] as Int32Array })),
    )
  }
}
