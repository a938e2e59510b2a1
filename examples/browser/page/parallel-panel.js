// Many prompts at once: each step of the model computes the next token of all of them.

import { element } from './element.js'

const EXAMPLES = [
  'Once upon a time',
  'The dragon opened one eye',
  'Lily found a small key',
  'In the garden there was',
  'One day, a boy named Tim',
  'The old clock on the wall',
  'It was raining, so',
  'The cat wanted to fly',
]

export class ParallelPanel {
  #llm
  #running
  #prompts = element('textarea', { rows: 8, value: EXAMPLES.join('\n'), ariaLabel: 'Prompts, one a line' })
  #count = element('input', { type: 'number', min: 1, max: 512, value: 64, id: 'parallel-tokens' })
  #run = element('button', { className: 'primary' }, 'Run all')
  #stop = element('button', { type: 'button', className: 'primary', hidden: true }, 'Stop')
  #summary = element('p', { className: 'facts', role: 'status' })
  #grid = element('div', { className: 'grid' })

  constructor(panel) {
    const form = element(
      'form',
      { className: 'composer' },
      this.#prompts,
      element(
        'div',
        { className: 'row' },
        element('label', { className: 'inline' }, 'Tokens each ', this.#count),
        element('span', { className: 'space' }),
        this.#stop,
        this.#run,
      ),
    )
    panel.append(form, this.#summary, this.#grid)
    form.addEventListener('submit', event => {
      event.preventDefault()
      this.#runAll()
    })
    this.#stop.addEventListener('click', () => this.#running?.abort())
  }

  use(llm) {
    this.#running?.abort()
    this.#llm = llm
    this.#grid.replaceChildren()
    this.#summary.textContent = ''
  }

  async #runAll() {
    const prompts = this.#prompts.value.split('\n').filter(line => line.trim() !== '')
    if (prompts.length === 0 || this.#running !== undefined) return
    const running = new AbortController()
    this.#busy(running)
    const cards = prompts.map(prompt => {
      const text = element('p', { className: 'text' }, element('span', { className: 'given' }, prompt))
      return { text, card: element('article', { className: 'card', ariaBusy: 'true' }, text) }
    })
    this.#grid.replaceChildren(...cards.map(({ card }) => card))
    const began = performance.now()
    let numTokens = 0
    const one = async (prompt, { text, card }) => {
      const params = { maxTokens: Number(this.#count.value), temperature: 0.8 }
      try {
        for await (const { outputs } of this.#llm.stream(prompt, params, { signal: running.signal })) {
          numTokens += outputs[0].tokenIds.length
          text.append(outputs[0].text)
          this.#sum(prompts.length, numTokens, performance.now() - began)
        }
      } catch (error) {
        if (!running.signal.aborted) text.append(element('span', { className: 'error' }, ` ${error.message}`))
      }
      card.ariaBusy = 'false'
    }
    await Promise.all(prompts.map((prompt, index) => one(prompt, cards[index])))
    this.#busy(undefined)
  }

  #sum(numPrompts, numTokens, milliseconds) {
    const rate = (numTokens / milliseconds) * 1000
    this.#summary.textContent = `${numPrompts} prompts · ${numTokens} tokens · ${rate.toFixed(0)} tokens/s together`
  }

  #busy(running) {
    this.#running = running
    this.#run.hidden = running !== undefined
    this.#stop.hidden = running === undefined
  }
}
