// A conversation. Models without a chat template continue texts instead.

import { element } from './element.js'

export class ChatPanel {
  #llm
  #messages = []
  #running
  #log = element('ol', { className: 'log', ariaLive: 'polite' })
  #input = element('textarea', { rows: 2, placeholder: 'Ask something…', ariaLabel: 'Message' })
  #send = element('button', { className: 'primary' }, 'Send')
  #stop = element('button', { type: 'button', className: 'primary', hidden: true }, 'Stop')
  #clear = element('button', { type: 'button', className: 'quiet' }, 'Clear')
  #temperature = element('input', { type: 'number', min: 0, max: 2, step: 0.1, value: 0.7, id: 'chat-temperature' })
  #isChat = true

  constructor(panel) {
    const form = element(
      'form',
      { className: 'composer' },
      this.#input,
      element(
        'div',
        { className: 'row' },
        element('label', { className: 'inline' }, 'Temperature ', this.#temperature),
        element('span', { className: 'space' }),
        this.#clear,
        this.#stop,
        this.#send,
      ),
    )
    panel.append(this.#log, form)
    form.addEventListener('submit', event => {
      event.preventDefault()
      this.#ask(this.#input.value.trim())
    })
    this.#input.addEventListener('keydown', event => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
      event.preventDefault()
      form.requestSubmit()
    })
    this.#stop.addEventListener('click', () => this.#running?.abort())
    this.#clear.addEventListener('click', () => this.#reset())
  }

  use(llm) {
    this.#llm = llm
    this.#isChat = hasTemplate(llm)
    this.#input.placeholder = this.#isChat ? 'Ask something…' : 'Begin a text: this model goes on with it'
    this.#reset()
  }

  #reset() {
    this.#running?.abort()
    this.#messages = []
    this.#log.replaceChildren()
    this.#input.focus()
  }

  async #ask(text) {
    if (text === '' || this.#running !== undefined) return
    this.#input.value = ''
    const answer = element('p', { className: 'text' })
    const facts = element('p', { className: 'facts' }, '…')
    if (this.#isChat) this.#log.append(element('li', { className: 'question' }, text))
    else answer.append(element('span', { className: 'given' }, text))
    this.#log.append(element('li', { className: 'answer' }, answer, facts))
    this.#messages.push({ role: 'user', content: text })
    const prompt = this.#isChat ? { messages: this.#messages } : text
    const running = new AbortController()
    this.#busy(running)
    const began = performance.now()
    let said = ''
    let numTokens = 0
    let firstMs
    try {
      const temperature = Number(this.#temperature.value)
      for await (const { outputs } of this.#llm.stream(
        prompt,
        { temperature, maxTokens: 512 },
        { signal: running.signal },
      )) {
        firstMs ??= performance.now() - began
        numTokens += outputs[0].tokenIds.length
        said += outputs[0].text
        answer.append(outputs[0].text)
        facts.textContent = factsOf(numTokens, firstMs, performance.now() - began)
        answer.parentElement.scrollIntoView({ block: 'end' })
      }
    } catch (error) {
      if (running.signal.aborted) facts.append(' · stopped')
      else facts.replaceWith(element('p', { className: 'error' }, error.message))
    } finally {
      this.#messages.push({ role: 'assistant', content: said })
      this.#busy(undefined)
    }
  }

  #busy(running) {
    this.#running = running
    this.#send.hidden = running !== undefined
    this.#stop.hidden = running === undefined
  }
}

function hasTemplate(llm) {
  try {
    return llm.engine.chatTemplateSource(false) !== ''
  } catch {
    return false
  }
}

function factsOf(numTokens, firstMs, totalMs) {
  const rate = numTokens > 1 ? ((numTokens - 1) / (totalMs - firstMs)) * 1000 : 0
  return `${numTokens} tokens · ${rate.toFixed(0)} tokens/s · first after ${firstMs.toFixed(0)} ms`
}
