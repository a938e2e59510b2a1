// Which model: by name, address or folder; how far it is on its way; what it is once it is there.

import { byId, bytes, element, short } from './element.js'
import { LLM, removeCachedModels } from './quire/bundle/quire.js'

export class ModelCard {
  #told
  #llm
  #loading

  /** @param told is told of a model that is there (`loaded`), and before it goes (`unloaded`). */
  constructor(told) {
    this.#told = told
    byId('model-form').addEventListener('submit', event => {
      event.preventDefault()
      this.load(byId('model-name').value.trim())
    })
    byId('model-folder').addEventListener('click', () => this.#openFolder())
    byId('model-files').addEventListener('change', event => {
      if (event.target.files.length > 0) this.load(event.target.files)
    })
    byId('model-cancel').addEventListener('click', () => this.#loading?.abort())
    byId('model-forget').addEventListener('click', async () => {
      this.#say((await removeCachedModels()) ? 'Downloads are forgotten.' : 'Nothing was kept.')
    })
  }

  /** Loads a model in place of the one that is there. */
  async load(model) {
    this.#loading?.abort()
    const loading = new AbortController()
    this.#loading = loading
    if (typeof model === 'string') byId('model-name').value = model
    await this.#unload()
    this.#show(true)
    this.#say('Asking for its files…')
    const began = performance.now()
    try {
      const llm = await LLM.create({
        model,
        signal: loading.signal,
        onDownload: progress => this.#download(progress),
        onProgress: fraction => {
          this.#bar(fraction)
          this.#say(fraction < 1 ? 'Loading into memory…' : 'Warming up…')
        },
      })
      this.#llm = llm
      this.#facts(llm, performance.now() - began)
      this.#say('')
      this.#told.loaded(llm)
    } catch (error) {
      if (this.#loading === loading)
        this.#say(loading.signal.aborted ? 'Stopped.' : error.message, !loading.signal.aborted)
    } finally {
      if (this.#loading === loading) this.#show(false)
    }
  }

  async #unload() {
    byId('model-facts').hidden = true
    if (this.#llm === undefined) return
    this.#told.unloaded()
    const llm = this.#llm
    this.#llm = undefined
    await llm.close()
  }

  async #openFolder() {
    if (!('showDirectoryPicker' in window)) {
      byId('model-files').click()
      return
    }
    const folder = await window.showDirectoryPicker({ id: 'quire-model' }).catch(() => undefined)
    if (folder !== undefined) this.load(folder)
  }

  #download({ phase, allLoaded, allTotal, rate, eta }) {
    if (phase === 'resolve' || allTotal === 0) return
    this.#bar(allLoaded / allTotal)
    const left = eta === undefined ? '' : `, ${Math.ceil(eta)} s left`
    if (phase === 'verify') this.#say('Comparing the checksum…')
    else if (phase === 'download') this.#say(`${bytes(allLoaded)} of ${bytes(allTotal)}, ${bytes(rate)}/s${left}`)
  }

  #facts({ modelInfo, cacheInfo, engine }, milliseconds) {
    const facts = {
      architecture: modelInfo.architecture,
      parameters: short(modelInfo.numParameters),
      weights: `${bytes(modelInfo.weightsBytes)}, ${modelInfo.dtype}`,
      context: `${engine.maxModelLen.toLocaleString('en')} tokens`,
      'KV cache': `${bytes(cacheInfo.bytes)}, ${cacheInfo.numTokens.toLocaleString('en')} tokens`,
      loaded: `in ${(milliseconds / 1000).toFixed(1)} s`,
    }
    byId('model-facts').hidden = false
    byId('model-facts').replaceChildren(
      ...Object.entries(facts).map(([name, value]) =>
        element('div', {}, element('dt', {}, name), element('dd', {}, value)),
      ),
    )
  }

  #show(isLoading) {
    byId('model-progress').hidden = !isLoading
    byId('model-cancel').hidden = !isLoading
    byId('model-load').disabled = isLoading
    if (isLoading) byId('model-progress').removeAttribute('value')
  }

  #bar(fraction) {
    byId('model-progress').value = fraction
  }

  #say(text, isError = false) {
    byId('model-status').textContent = text
    byId('model-status').classList.toggle('error', isError)
  }
}
