// The conversation: turns of a question and its answer, kept in the page alone. One answer comes at a time.

import { AnswerView } from './answer-view.js'
import { element } from './element.js'

export class Conversation {
  #parts
  #turns = []
  #running

  /** `parts`: api, parameters, transcript, inspector, and `onChange`, `onGrow`, `onFailure(error)`. */
  constructor(parts) {
    this.#parts = parts
  }

  get isRunning() {
    return this.#running !== undefined
  }

  get isEmpty() {
    return this.#turns.length === 0
  }

  ask(question) {
    const shown = element('p', { className: 'question-text', text: question })
    const heading = element('h3', { className: 'unseen', text: 'You' })
    const place = element('article', { className: 'question' }, heading, shown)
    this.#parts.transcript.append(place)
    const turn = { question, answer: '', place, view: undefined }
    this.#turns.push(turn)
    return this.#answer(turn)
  }

  /** Answers the last question once more. */
  regenerate() {
    const turn = this.#turns.at(-1)
    if (turn === undefined || this.isRunning) return undefined
    return this.#answer(turn)
  }

  stop() {
    this.#running?.abort()
  }

  clear() {
    this.stop()
    this.#running = undefined
    this.#turns = []
    this.#parts.transcript.replaceChildren()
    this.#parts.inspector.hide()
    this.#parts.onChange('Cleared')
  }

  /** What was said before a turn; questions that got no answer are left out, as templates want the roles in turns. */
  #messagesUpTo(turn) {
    const before = this.#turns.slice(0, this.#turns.indexOf(turn)).filter(({ answer }) => answer !== '')
    return [
      ...before.flatMap(({ question, answer }) => [
        { role: 'user', content: question },
        { role: 'assistant', content: answer },
      ]),
      { role: 'user', content: turn.question },
    ]
  }

  async #answer(turn) {
    const { api, parameters, transcript, inspector, onChange, onFailure } = this.#parts
    for (const actions of transcript.querySelectorAll('[data-action="regenerate"]')) actions.remove()
    turn.view?.element.remove()
    const view = new AnswerView(inspector)
    transcript.append(view.element)
    Object.assign(turn, { answer: '', view })
    const controller = new AbortController()
    this.#running = controller
    onChange('Answering')
    const timing = { start: performance.now(), first: undefined, last: undefined }
    const result = { reason: undefined, numTokens: undefined }
    let failure
    try {
      const request = parameters.toRequest(this.#messagesUpTo(turn))
      for await (const event of api.events('v1/chat/completions', request, controller.signal)) {
        this.#take(event, turn, timing, result)
      }
    } catch (error) {
      if (controller.signal.aborted) result.reason = 'stopped'
      else failure = error
    }
    if (failure !== undefined) view.fail(wordsOf(failure))
    const { start, first, last } = timing
    const times = first === undefined ? {} : { firstMs: first - start, lastMs: last - start }
    view.end({ ...result, ...times }, this.#actions(turn, failure === undefined ? 'Regenerate' : 'Try again'))
    // A cleared conversation may have begun anew meanwhile.
    if (this.#running !== controller) return
    this.#running = undefined
    if (failure !== undefined) onFailure(failure)
    onChange(failure !== undefined ? 'Failed' : result.reason === 'stopped' ? 'Stopped' : 'Answered')
  }

  #take({ choices, usage }, turn, timing, result) {
    if (usage != null) result.numTokens = usage.completion_tokens
    const choice = choices.find(({ index }) => index === 0)
    if (choice === undefined) return
    const { delta } = choice
    if (delta.role === undefined) {
      timing.last = performance.now()
      timing.first ??= timing.last
    }
    turn.answer += delta.content ?? ''
    result.reason = choice.finish_reason ?? result.reason
    turn.view.add(choice)
    this.#parts.onGrow()
  }

  #actions(turn, again) {
    const actions = []
    if (turn.answer !== '') {
      // Pages without https have no clipboard.
      if (navigator.clipboard !== undefined) {
        actions.push(action('Copy', 'copy', () => navigator.clipboard.writeText(turn.answer)))
      }
    }
    if (turn === this.#turns.at(-1)) actions.push(action(again, 'regenerate', () => this.regenerate()))
    return actions
  }
}

function action(text, name, run) {
  const made = element('button', { className: 'quiet', type: 'button', text, 'data-action': name })
  made.addEventListener('click', run)
  return made
}

function wordsOf(error) {
  return error instanceof TypeError ? 'The server cannot be reached.' : error.message
}
