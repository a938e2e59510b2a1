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

export class ScriptedModel {
  readonly engine: Engine
  /** Answers that no request has had yet, as ids. */
  readonly #answers: Int32Array[]

  private constructor(engine: Engine, answers: Int32Array[]) {
    this.engine = engine
    this.#answers = answers
  }

  static async create(chatTemplate = QWEN_TEMPLATE): Promise<ScriptedModel> {
    const answers: Int32Array[] = []
    const running = new Map<number, { readonly ids: Int32Array; at: number }>()
    const { engine } = await createFakeEngine(
      {
        vocabSize: 2048,
        maxModelLen: 4096,
        eosTokenIds: [END_ID],
        freeBytes: 1 << 24,
        onLogits: (row, sequenceId) => {
          const answer = running.get(sequenceId) ?? { ids: answers.shift() ?? new Int32Array(0), at: 0 }
          running.set(sequenceId, answer)
          row.fill(0)
          row[answer.ids[answer.at] ?? END_ID] = 100
          answer.at += 1
        },
      },
      { loadTokenizer: true, chatTemplate, blockSize: 16 },
    )
    // Of the sources, which is the class that bindings know from the built package.
    return new ScriptedModel(engine as unknown as Engine, answers)
  }

  /** What the next requests are answered with. What was to be said before, and was not, is forgotten. */
  async say(...texts: readonly string[]): Promise<void> {
    this.#answers.length = 0
    this.#answers.push(...(await this.engine.encode(texts, false)))
  }
}
