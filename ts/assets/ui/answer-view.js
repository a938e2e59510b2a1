// One answer on the page: its reasoning, folded, its text token by token, what went wrong, and how fast it came.

import { element } from './element.js'
import { TokenAligner } from './token-aligner.js'

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
/** Fewer tokens come in too few events to tell a rate. */
const FEWEST_FOR_RATE = 16
/** Ends that are worth a word. */
const END_WORDS = {
  length: 'cut at the token limit',
  stopped: 'stopped',
  tool_calls: 'calls a tool',
}

export class AnswerView {
  element
  #inspector
  #aligner
  #texts
  #reasoning
  #foot
  #error

  constructor(inspector) {
    this.#inspector = inspector
    const label = 'Answer; the arrow keys show how likely each token was'
    this.#texts = {
      content: element('div', { className: 'text', tabindex: '0', role: 'group', 'aria-label': label }),
      reasoning: element('div', { className: 'text', tabindex: '0', role: 'group', 'aria-label': 'Reasoning' }),
    }
    const summary = element('summary', { text: 'Reasoning' })
    this.#reasoning = element('details', { className: 'reasoning', hidden: '' }, summary, this.#texts.reasoning)
    this.#error = element('p', { className: 'error', role: 'alert', hidden: '' })
    this.#foot = element('footer', { className: 'foot' })
    this.element = element(
      'article',
      { className: 'answer', 'aria-busy': 'true' },
      element('h3', { className: 'unseen', text: 'Answer' }),
      this.#reasoning,
      this.#texts.content,
      this.#error,
      this.#foot,
    )
    this.#aligner = new TokenAligner((channel, text, token) => this.#append(channel, text, token))
  }

  /** What one event of the stream brings to the choice. */
  add({ delta, logprobs }) {
    this.#aligner.addText('reasoning', delta.reasoning ?? delta.reasoning_content ?? '')
    this.#aligner.addText('content', delta.content ?? '')
    this.#aligner.addTokens(logprobs?.content ?? [])
    this.#aligner.settle()
  }

  fail(message) {
    this.#error.textContent = message
    this.#error.hidden = false
  }

  /** `actions`: buttons for what can be done with the answer. */
  end({ reason, numTokens, firstMs, lastMs }, actions) {
    this.#aligner.end()
    this.element.removeAttribute('aria-busy')
    const parts = []
    if (numTokens !== undefined) parts.push(`${numTokens} ${numTokens === 1 ? 'token' : 'tokens'}`)
    if (numTokens >= FEWEST_FOR_RATE && lastMs > firstMs) {
      parts.push(`${whole.format(((numTokens - 1) * 1000) / (lastMs - firstMs))} tokens/s`)
    }
    if (firstMs !== undefined) parts.push(`first after ${whole.format(firstMs)} ms`)
    if (END_WORDS[reason] !== undefined) parts.push(END_WORDS[reason])
    this.#foot.replaceChildren(element('span', { className: 'facts', text: parts.join(' · ') }), ...actions)
  }

  #append(channel, text, token) {
    if (channel === 'reasoning') this.#reasoning.hidden = false
    const place = this.#texts[channel]
    if (token !== undefined) place.append(this.#inspector.tokenElement(text, token))
    else if (place.lastChild?.nodeType === Node.TEXT_NODE) place.lastChild.appendData(text)
    else place.append(text)
  }
}
