// An object that a JSON schema accepts, whatever the model would rather say.

import { element } from './element.js'

const SCHEMA = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 20 },
    age: { type: 'integer', minimum: 1, maximum: 99 },
    likes: { type: 'array', items: { enum: ['apples', 'balls', 'cats', 'stories'] }, minItems: 1, maxItems: 3 },
  },
  required: ['name', 'age', 'likes'],
  additionalProperties: false,
}

export class JsonPanel {
  #llm
  #running
  #prompt = element('textarea', { rows: 2, value: 'Invent a child for a story.', ariaLabel: 'Prompt' })
  #schema = element('textarea', {
    rows: 14,
    className: 'code',
    spellcheck: false,
    value: JSON.stringify(SCHEMA, null, 2),
    ariaLabel: 'JSON schema',
  })
  #make = element('button', { className: 'primary' }, 'Generate')
  #output = element('pre', { className: 'code output' })
  #status = element('p', { className: 'facts', role: 'status' })

  constructor(panel) {
    const form = element(
      'form',
      { className: 'composer' },
      this.#prompt,
      this.#schema,
      element('div', { className: 'row' }, element('span', { className: 'space' }), this.#make),
    )
    panel.append(form, this.#output, this.#status)
    form.addEventListener('submit', event => {
      event.preventDefault()
      this.#generate()
    })
  }

  use(llm) {
    this.#llm = llm
    this.#output.textContent = ''
    this.#status.textContent = ''
  }

  async #generate() {
    if (this.#running) return
    this.#running = true
    this.#make.disabled = true
    this.#status.classList.remove('error')
    this.#status.textContent = 'Generating…'
    const began = performance.now()
    try {
      const schema = JSON.parse(this.#schema.value)
      const { object, output } = await this.#llm.generateObject(this.#prompt.value, schema, {
        temperature: 0.8,
        maxTokens: 256,
      })
      this.#output.textContent = JSON.stringify(object, null, 2)
      const { tokenIds } = output.outputs[0]
      this.#status.textContent = `${tokenIds.length} tokens in ${((performance.now() - began) / 1000).toFixed(2)} s`
    } catch (error) {
      this.#status.classList.add('error')
      this.#status.textContent = error.message
    } finally {
      this.#running = false
      this.#make.disabled = false
    }
  }
}
