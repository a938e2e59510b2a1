// What runs in the Worker that reads texts: it has the whole tokenizer, which takes seconds to read where the vocabulary is large,
// gives the page what turns ids into text, and tokenizes, so that neither the page nor a step of the model waits for it.

import { Text } from '../binding/index.js'
import { toPortable } from '../engine/portable-error.js'
import type { SmallFile } from './file-selection.js'
import type { WorkerDoor, WorkerHost } from './worker-door.js'
import type { PageText, TemplateSource, TextCall, TextStart } from './worker-messages.js'

export class TextProgram {
  readonly #host: WorkerHost
  readonly #text: Promise<Text>
  #filesCame!: (files: readonly SmallFile[]) => void

  constructor(host: WorkerHost, door: Promise<WorkerDoor>, start: TextStart) {
    this.#host = host
    const files = new Promise<readonly SmallFile[]>(resolve => {
      this.#filesCame = resolve
    })
    this.#text = this.#load(door, start, files)
    this.#text.catch((error: unknown) => host.post({ kind: 'failed', error: toPortable(error) }))
  }

  open(files: readonly SmallFile[]): void {
    this.#filesCame(files)
  }

  answer(id: number, call: TextCall): void {
    this.#run(call).then(
      value => this.#host.post({ kind: 'text', id, value }),
      (error: unknown) => this.#host.post({ kind: 'text-failed', id, error: toPortable(error) }),
    )
  }

  async #load(
    door: Promise<WorkerDoor>,
    { tokenizerPath, directory, lock }: TextStart,
    coming: Promise<readonly SmallFile[]>,
  ): Promise<Text> {
    await this.#host.holdLock(lock)
    this.#host.post({ kind: 'locked' })
    const [{ native, files }, small] = await Promise.all([door, coming])
    for (const { name, bytes } of small) files.write(`${directory}/${name}`, bytes)
    const text = await Text.load(native, tokenizerPath, undefined)
    this.#host.post({ kind: 'page-text', text: pageTextOf(text, small) })
    files.remove(directory)
    return text
  }

  async #run(call: TextCall): Promise<unknown> {
    const text = await this.#text
    switch (call.name) {
      case 'encode':
        return text.encode(...call.values)
      case 'encodePooled':
        return text.encodePooled(...call.values)
      case 'badWordIds':
        return text.badWordIds(...call.values)
    }
  }
}

function pageTextOf(text: Text, files: readonly SmallFile[]): PageText {
  const tables = text.decoderTables()
  if (tables === undefined) return { kind: 'files', files }
  return { kind: 'tables', tables, plain: sourceOf(text, false), tools: sourceOf(text, true) }
}

function sourceOf(text: Text, hasTools: boolean): TemplateSource {
  try {
    return { source: text.templateSource(hasTools) }
  } catch (error) {
    return { error: toPortable(error) }
  }
}
