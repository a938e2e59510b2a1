// The form of parameters, as the fields of a request.

const NUMBERS = ['temperature', 'top_p', 'max_tokens', 'seed']
/** Alternatives that are asked for at each token. */
const ALTERNATIVES = 5

export class Parameters {
  #form

  constructor(form) {
    this.#form = form
    form.addEventListener('submit', event => event.preventDefault())
  }

  get model() {
    return this.#form.elements.model.value
  }

  get probabilities() {
    return this.#form.elements.probabilities.value
  }

  /** Whether every field can be read; the first that cannot says why, if the form is on the page. */
  check() {
    return this.#form.reportValidity()
  }

  get isValid() {
    return this.#form.checkValidity()
  }

  showModels(models) {
    const options = models.map(({ id }) => new Option(id, id))
    this.#form.elements.model.replaceChildren(...options)
  }

  /** Empty fields are left to the server. */
  toRequest(messages) {
    const { elements } = this.#form
    const system = elements.system.value.trim()
    const request = {
      messages: [...(system === '' ? [] : [{ role: 'system', content: system }]), ...messages],
      stream: true,
      stream_options: { include_usage: true },
    }
    if (this.model !== '') request.model = this.model
    for (const name of NUMBERS) {
      if (elements[name].value !== '') request[name] = Number(elements[name].value)
    }
    if (this.probabilities !== 'off') Object.assign(request, { logprobs: true, top_logprobs: ALTERNATIVES })
    return request
  }
}
