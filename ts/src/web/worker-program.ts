// What runs in the Workers of an engine. One fetches the model into the module's memory, brings the loop up, and serves it by
// messages; one reads texts (`text-program.ts`). Which module it is, is an argument.

import { LoopHost } from '../engine/loop-host.js'
import type { LoopCommand } from '../engine/loop-messages.js'
import type { LoopPlatform } from '../engine/loop-platform.js'
import { serveLoop } from '../engine/loop-service.js'
import { toPortable } from '../engine/portable-error.js'
import { NotSupportedError, RequestAbortedError } from '../errors.js'
import { openPlugin } from '../plugin/open-plugin.js'
import { checkArchitecture } from './check-architecture.js'
import { type ModelPlan, planModel, readTokenizer, type SmallFile } from './file-selection.js'
import { planGguf, type ReadHeader, readGgufTokenizer } from './gguf-plan.js'
import { folderOfDirectory, folderOfFiles } from './local-folder.js'
import { checkFits, elementBytes } from './memory-limit.js'
import type { ModelFile, ModelFolder } from './model-folder.js'
import type { ModelSource } from './model-source.js'
import { openRemoteFolder } from './remote-folder.js'
import { TextProgram } from './text-program.js'
import type { WorkerDoor, WorkerHost } from './worker-door.js'
import type { PageMessage, WorkerStart } from './worker-messages.js'

const cpu = { kind: 'cpu', index: 0 } as const

/** Share of the weights' way into memory in what is told of loading; the rest is making them ready. */
const COPY_SHARE = 0.5

export class WorkerProgram {
  readonly #host: WorkerHost
  readonly #door: Promise<WorkerDoor>
  readonly #stop = new AbortController()
  #obey: ((commands: readonly LoopCommand[]) => void) | undefined
  #texts: TextProgram | undefined

  /** @param door settles when the module has come. */
  constructor(host: WorkerHost, door: Promise<WorkerDoor>) {
    this.#host = host
    this.#door = door
    door.catch(() => {}) // heard of where it is waited for
  }

  receive(message: Exclude<PageMessage, { readonly kind: 'module' }>): void {
    switch (message.kind) {
      case 'start':
        this.#start(message.start).catch((error: unknown) => {
          this.#host.post({ kind: 'failed', error: toPortable(error) })
        })
        break
      case 'cancel':
        this.#stop.abort(new RequestAbortedError())
        break
      case 'commands':
        this.#obey?.(message.commands)
        break
      case 'read-texts':
        this.#texts = new TextProgram(this.#host, this.#door, message.start)
        break
      case 'text-files':
        this.#texts?.open(message.files)
        break
      case 'text':
        this.#texts?.answer(message.id, message.call)
    }
  }

  async #start(start: WorkerStart): Promise<void> {
    const { config } = start
    await this.#host.holdLock(start.lock)
    this.#host.post({ kind: 'locked' })
    const { plan, folder } = await this.#fetchModel(start)
    const door = await this.#door
    const { dtype, quantization } = config.model
    checkFits({
      ...plan,
      weightsBytes: lengthOf(plan.weights),
      dtype,
      quantization,
      usedBytes: door.usedBytes(),
      label: folder.label,
    })
    await checkArchitecture(door.plugin, plan.config, folder.label)
    const described = plan.small.find(({ name }) => name === 'config.json')
    if (described !== undefined) {
      await door.plugin.checkConfig?.(new TextDecoder().decode(described.bytes), `config.json of ${folder.label}`)
    }
    for (const { name, bytes } of plan.small) door.files.write(`${start.directory}/${name}`, bytes)
    this.#obey = await serveLoop(
      report => this.#host.post({ kind: 'report', report }),
      async (events, onProgress) => {
        await this.#loadWeights(door, plan, folder, start.directory, share => onProgress(COPY_SHARE * share))
        return LoopHost.create(
          config,
          async () => ({ ...(await openPlugin(door.plugin, { device: cpu, env: {} })), device: cpu }),
          events,
          share => onProgress(COPY_SHARE + (1 - COPY_SHARE) * share),
          platformOf(door),
        )
      },
    )
    await folder.close()
  }

  /** The small files, which the page is given, and where the weights are. */
  async #fetchModel(start: WorkerStart): Promise<{ plan: ModelPlan; folder: ModelFolder }> {
    const folder = await this.#open(start.model, start)
    const ownTokenizer = start.tokenizer === undefined
    const told = (files: readonly SmallFile[]) => {
      if (ownTokenizer) this.#host.post({ kind: 'text-files', files })
    }
    const planning = start.model.gguf === undefined ? planModel(folder, told) : this.#planGguf(folder, start, told)
    const [plan] = await Promise.all([planning, this.#fetchTokenizer(start)])
    return { plan, folder }
  }

  async #planGguf(
    folder: ModelFolder,
    { model, config }: WorkerStart,
    told: (files: readonly SmallFile[]) => void,
  ): Promise<ModelPlan> {
    return planGguf(folder, model.gguf as string, await this.#headerReader(config.model.dtype), told)
  }

  async #headerReader(dtype: string): Promise<ReadHeader> {
    const { files } = await this.#door
    return (file, bytes) => files.ggufHeader(file, bytes, elementBytes(dtype))
  }

  async #fetchTokenizer(start: WorkerStart): Promise<void> {
    const { tokenizer, config } = start
    if (tokenizer === undefined) return
    const folder = await this.#open(tokenizer, start)
    const files =
      tokenizer.gguf === undefined
        ? await readTokenizer(folder)
        : await readGgufTokenizer(folder, tokenizer.gguf, await this.#headerReader(config.model.dtype))
    this.#host.post({ kind: 'text-files', files })
    const door = await this.#door
    for (const { name, bytes } of files) door.files.write(`${start.directory}-tokenizer/${name}`, bytes)
  }

  async #open(source: ModelSource, { storage, offline, sha256 }: WorkerStart): Promise<ModelFolder> {
    if (source.kind === 'directory') return folderOfDirectory(source.directory)
    if (source.kind === 'files') return folderOfFiles(source.files)
    const { url, query, headers, gguf } = source
    return openRemoteFolder({
      url,
      query,
      label: gguf === undefined ? url : new URL(encodeURIComponent(gguf), url).href,
      headers,
      storage,
      offline,
      sha256,
      signal: this.#stop.signal,
      onProgress: progress => this.#host.post({ kind: 'download', progress }),
    })
  }

  /** From storage, or the network, into the module's memory: piece by piece. */
  async #loadWeights(
    door: WorkerDoor,
    { weights }: ModelPlan,
    folder: ModelFolder,
    directory: string,
    onProgress: (share: number) => void,
  ): Promise<void> {
    const files = await folder.fetchAll(weights)
    const allBytes = lengthOf(files)
    let loaded = 0
    for (const file of files) {
      const writer = door.files.openWeights(`${directory}/${file.name}`, file.byteLength)
      for await (const piece of file.pieces()) {
        this.#stop.signal.throwIfAborted()
        writer.write(piece)
        loaded += piece.length
        onProgress(loaded / Math.max(1, allBytes))
      }
      writer.close()
    }
  }
}

function lengthOf(files: readonly ModelFile[]): number {
  return files.reduce((sum, { byteLength }) => sum + byteLength, 0)
}

function platformOf({ native }: WorkerDoor): LoopPlatform {
  return {
    loadNative: async () => native,
    ownThread: false,
    parallelism: 1,
    // biome-ignore lint/suspicious/noConsole: a page has no other place for a warning
    warn: message => console.warn(message),
    freeRendezvous: async () => {
      throw new NotSupportedError('One rank runs on a web page.')
    },
  }
}
