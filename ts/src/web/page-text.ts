// The text side in the page's thread: it turns ids into text and messages into prompts. What reads texts has a Worker, because a
// large tokenizer is read for seconds and a long text is tokenized for longer than a page may stand still.

import { type Native, type PooledInput, Text } from '../binding/index.js'
import { throwIfAborted } from '../engine/engine-plan.js'
import { fromPortable } from '../engine/portable-error.js'
import type { TextWorker } from './text-worker.js'
import type { CompiledModule, PageDoor, WebRuntime } from './web-creation.js'
import type { TemplateSource, TextCall } from './worker-messages.js'

export interface PageTextOptions {
  readonly compiling: Promise<CompiledModule>
  readonly runtime: WebRuntime
  /** Absent: the engine has no tokenizer. */
  readonly worker: TextWorker | undefined
  /** Of the tokenizer in the module's memory: a folder, or a GGUF file. */
  readonly tokenizerPath: string | undefined
  /** The folder of its files. */
  readonly directory: string
}

/** The module in the page's thread, with what it needs of this engine's tokenizer. */
export class PageTextSide {
  readonly #options: PageTextOptions
  #door: PageDoor | undefined

  constructor(options: PageTextOptions) {
    this.#options = options
  }

  async open(): Promise<Native> {
    const { compiling, runtime, worker } = this.#options
    // Whatever ends the Worker ends this wait.
    const [door] = await Promise.all([compiling.then(compiled => runtime.openDoor(compiled)), worker?.pageText])
    this.#door = door
    return door.native
  }

  async openText(native: Native, chatTemplate: string | undefined): Promise<Text> {
    const { worker, tokenizerPath, directory } = this.#options
    const page = await (worker as TextWorker).pageText
    let text: Text
    if (page.kind === 'tables') {
      const { tables, plain, tools } = page
      const sourceOf = (hasTools: boolean) => unwrapSource(hasTools ? tools : plain)
      text = Text.ofTables(native, { tables, sourceOf }, chatTemplate)
    } else {
      for (const { name, bytes } of page.files) this.#door?.files.write(`${directory}/${name}`, bytes)
      text = await Text.load(native, tokenizerPath as string, chatTemplate)
    }
    return withWorker(text, worker as TextWorker)
  }

  forget(): void {
    this.#door?.files.remove(this.#options.directory)
    this.#door = undefined
  }
}

function unwrapSource(template: TemplateSource): string {
  if ('error' in template) throw fromPortable(template.error)
  return template.source
}

/** The same object, with calls of its own. */
function withWorker(text: Text, worker: TextWorker): Text {
  const call = async <Result>(call: TextCall, signal?: AbortSignal): Promise<Result> => {
    throwIfAborted(signal)
    return worker.call(call)
  }
  return Object.assign(text, {
    encode: (...[texts, addSpecialTokens, signal]: Parameters<Text['encode']>) =>
      call<Int32Array[]>({ name: 'encode', values: [texts, addSpecialTokens] }, signal),
    encodePooled: (...[texts, pairs, limit, signal]: Parameters<Text['encodePooled']>) =>
      call<PooledInput[]>({ name: 'encodePooled', values: [texts, pairs, limit] }, signal),
    badWordIds: (words: readonly string[]) =>
      words.length === 0 ? [] : call<number[][]>({ name: 'badWordIds', values: [words] }),
  })
}
