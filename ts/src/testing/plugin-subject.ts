// The plugin under test: what it said of itself, its framework while it is open, and the models that cases share.

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HostSampler, type Native } from '../binding/index.js'
import { loadNative, shareMemory } from '../binding/node.js'
import type { Device } from '../plugin/device.js'
import type { DTypeName } from '../plugin/dtype.js'
import type { Framework } from '../plugin/framework.js'
import type { FrameworkPlugin, OpenedFramework, OpenOptions, Probe, RankGroup } from '../plugin/framework-plugin.js'
import type { BatchLimits, RunnerCapabilities, Target } from '../plugin/model-runner.js'
import type { ConformanceOptions } from './conformance.js'
import { skip } from './conformance-case.js'
import { withinTime } from './expectations.js'
import { ModelSession, type SessionOptions } from './model-session.js'
import { type TinyCheckpoint, type TinyCheckpointOptions, writeTinyCheckpoint } from './tiny-checkpoint.js'
import type { TinyArchitecture } from './tiny-models.js'

/** Largest error of a logit, as a share of the largest one, where the options name none. */
const usualTolerances: Readonly<Partial<Record<DTypeName, number>>> = { float32: 1e-3, float16: 1e-2, bfloat16: 6e-2 }

const CLOSE_TIMEOUT_MS = 20_000
/** Either will do; the first that the runner has. */
const tinyArchitectures: readonly TinyArchitecture[] = ['LlamaForCausalLM', 'GPT2LMHeadModel']
const cpu: Device = { kind: 'cpu', index: 0 }

/** How a tiny model is brought up; the rest follows from the plugin. */
export interface TinyModelOptions {
  readonly checkpoint?: TinyCheckpointOptions
  readonly dtype?: 'auto' | DTypeName
  readonly blockSize?: number
}

export interface TinyModel {
  readonly session: ModelSession
  readonly checkpoint: TinyCheckpoint
  /** Largest error of a logit, as a share of the largest one. */
  readonly tolerance: number
}

export class PluginSubject {
  readonly plugin: FrameworkPlugin
  readonly options: ConformanceOptions
  readonly probe: Probe
  readonly device: Device
  /** Why nothing can be tried; undefined where it can. */
  readonly unavailable: string | undefined
  readonly folder: string
  readonly #native: Native
  #opened: OpenedFramework | undefined
  #model: { readonly key: string; readonly session: ModelSession } | undefined
  readonly #checkpoints = new Map<string, Promise<TinyCheckpoint>>()

  private constructor(
    plugin: FrameworkPlugin,
    options: ConformanceOptions,
    found: { readonly probe: Probe; readonly folder: string; readonly native: Native },
  ) {
    const { probe, folder, native } = found
    this.plugin = plugin
    this.options = options
    this.probe = probe
    this.folder = folder
    this.#native = native
    this.device = options.device ?? probe.devices[0] ?? cpu
    this.unavailable = probe.available ? undefined : (probe.reason ?? 'the plugin is not available here')
  }

  static async create(plugin: FrameworkPlugin, options: ConformanceOptions): Promise<PluginSubject> {
    const probe = await plugin
      .probe()
      .catch((error: unknown) => ({ available: false, devices: [], reason: `probe() threw: ${String(error)}` }))
    const native = await loadNative()
    const folder = await mkdtemp(join(tmpdir(), 'quire-conformance-'))
    return new PluginSubject(plugin, options, { probe, folder, native })
  }

  /** What draws from the runner's logits. */
  sampler(vocabSize: number): HostSampler {
    return new HostSampler(this.#native, { vocabSize, maxLogprobs: 0, logprobsMode: 'raw_logprobs', threads: 1 })
  }

  get capabilities(): RunnerCapabilities {
    const { capabilities } = this.probe
    if (capabilities === undefined) throw new Error('the probe of a plugin that is available gives no capabilities')
    return capabilities
  }

  /** The type that tiny models compute in unless a case asks for another. */
  get dtype(): DTypeName {
    const { dtypes } = this.capabilities
    return dtypes.includes('float32') ? 'float32' : (dtypes[0] as DTypeName)
  }

  /** A small block size, so that sequences have several blocks. */
  get blockSize(): number {
    const { blockSizes } = this.capabilities
    return blockSizes === 'any' ? 4 : Math.min(...blockSizes)
  }

  /** Opens the plugin anew, beside what is open already; the case closes it. */
  open(changes: { readonly group?: RankGroup; readonly device?: Device } = {}): Promise<OpenedFramework> {
    const { env = process.env, open } = this.options
    const share = (byteLength: number) => shareMemory(this.#native, byteLength, env)
    const options: OpenOptions = { device: this.device, env, shareMemory: share, ...open, ...changes }
    return this.plugin.open(options)
  }

  /** The framework that cases share. */
  async opened(): Promise<OpenedFramework> {
    this.#opened ??= await this.open()
    return this.#opened
  }

  async framework(): Promise<Framework> {
    return (await this.opened()).framework
  }

  target(changes: Partial<Target> = {}): Target {
    const { threads, eager } = this.options
    return {
      device: this.device,
      dtype: this.dtype,
      rank: 0,
      worldSize: 1,
      blockSize: this.blockSize,
      ...(threads !== undefined && { threads }),
      ...(eager !== undefined && { eager }),
      ...changes,
    }
  }

  /** A tiny checkpoint on disk; the same options give the same one. Skips the case where the plugin has no such model. */
  checkpoint(options: TinyCheckpointOptions = {}): Promise<TinyCheckpoint> {
    const { architectures } = this.capabilities
    const wanted = options.architecture === undefined ? tinyArchitectures : [options.architecture]
    const architecture = wanted.find(name => architectures.includes(name))
    if (architecture === undefined) skip(`the runner has no ${wanted.join(' and no ')}`)
    const key = JSON.stringify({ ...options, architecture })
    const known = this.#checkpoints.get(key)
    if (known !== undefined) return known
    const made = writeTinyCheckpoint(join(this.folder, `model-${this.#checkpoints.size}`), { ...options, architecture })
    this.#checkpoints.set(key, made)
    return made
  }

  /** What is needed to bring a tiny model up. */
  sessionOptions({ path, config }: TinyCheckpoint, target: Target): SessionOptions {
    const { maxPositionEmbeddings: maxModelLen } = config
    const limits: BatchLimits = {
      maxNumSeqs: 8,
      maxNumBatchedTokens: 64,
      maxModelLen,
      maxLogitsRows: 72,
      blockSize: target.blockSize,
    }
    return { path, target, limits, numBlocks: 1 + 8 + Math.ceil((4 * maxModelLen) / target.blockSize) }
  }

  /** A tiny model, brought up once for the cases that follow each other. */
  async tinyModel(options: TinyModelOptions = {}): Promise<TinyModel> {
    const checkpoint = await this.checkpoint(options.checkpoint)
    const target = this.target({
      ...(options.dtype !== undefined && { dtype: options.dtype }),
      ...(options.blockSize !== undefined && { blockSize: options.blockSize }),
    })
    const key = JSON.stringify([checkpoint.path, target.dtype, target.blockSize])
    const session =
      this.#model?.key === key ? this.#model.session : await this.#bringUp(key, this.sessionOptions(checkpoint, target))
    return { session, checkpoint, tolerance: this.toleranceOf(session.info.dtype) }
  }

  /** A model of the options' own, in place of the one that is open. */
  model(options: SessionOptions): Promise<ModelSession> {
    return this.#bringUp(JSON.stringify(options), options)
  }

  toleranceOf(dtype: DTypeName): number {
    return this.options.tolerance?.[dtype] ?? usualTolerances[dtype] ?? 1e-3
  }

  async #bringUp(key: string, options: SessionOptions): Promise<ModelSession> {
    await this.closeModel()
    const session = await ModelSession.open(await this.opened(), options)
    this.#model = { key, session }
    return session
  }

  async closeModel(): Promise<void> {
    const model = this.#model
    this.#model = undefined
    await model?.session.close()
  }

  /** Closes what is open. Errors of a framework that is broken already are not told again. */
  async closeFramework(): Promise<void> {
    await withinTime(this.closeModel(), CLOSE_TIMEOUT_MS, 'close').catch(() => {})
    const opened = this.#opened
    this.#opened = undefined
    if (opened !== undefined) await withinTime(opened.close(), CLOSE_TIMEOUT_MS, 'close').catch(() => {})
  }

  async close(): Promise<void> {
    await this.closeFramework()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** Where ranks can meet: a port that was free just now. */
export async function freeRendezvous(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  await new Promise<void>(resolve => server.close(() => resolve()))
  if (address === null || typeof address === 'string') throw new Error('the system gave no port')
  return `tcp://127.0.0.1:${address.port}`
}
