// From what a user asked to ranks that can be opened: the configuration, the plugin that will run the model, its device.

import { readGgufSummary } from '../binding/index.js'
import { loadNative, shareMemory } from '../binding/node.js'
import type { EngineConfig, EngineOptions } from '../config/index.js'
import {
  checkUnpacked,
  isGguf,
  type ModelClass,
  modelClassOf,
  parseEngineOptions,
  readModelClass,
} from '../config/node.js'
import type { OpenRank } from '../executor/index.js'
import type { Device } from '../plugin/device.js'
import { openPlugin } from '../plugin/open-plugin.js'
import { passedOverMessage, type Selection, selectPlugin } from '../plugin/selection.js'
import { type LocationOptions, locateModel } from './model-location.js'

/** Where a program looks for plugins: its folder, the script it began with, its environment. */
export interface Surroundings {
  readonly appDirectory: string
  readonly entryScript?: string
  readonly env: Readonly<Record<string, string | undefined>>
}

export function surroundings(): Surroundings {
  const [, entryScript] = process.argv
  return { appDirectory: process.cwd(), env: process.env, ...(entryScript !== undefined && { entryScript }) }
}

export interface ChosenModel {
  readonly config: EngineConfig
  readonly selection: Selection
}

/** Who is told of a download, and who may end it. */
export type DownloadOptions = Pick<LocationOptions, 'signal' | 'onDownload'>

/**
 * Parses the options, brings a model by name into the cache, and selects the plugin; warns of installed ones that cannot run
 * here.
 * @throws InvalidArgumentError, ModelError, HubError, NoFrameworkError, PluginError.
 */
export async function chooseModel(
  options: EngineOptions,
  around: Surroundings,
  download: DownloadOptions,
): Promise<ChosenModel> {
  const { appDirectory, env } = around
  // Before a download, so that nobody waits for one to be told of a mistyped option.
  const { framework, device } = parseEngineOptions(options, appDirectory).device
  const selected = new Map<string, Promise<Selection>>() // probes take a while: once for all that is the same
  const select = (facts: ModelFacts): Promise<Selection> => {
    const key = JSON.stringify(facts)
    const selection =
      selected.get(key) ??
      selectPlugin({
        ...around,
        ...facts,
        ...(framework !== undefined && { framework }),
        ...(device !== undefined && { device: device as Device }),
      })
    selected.set(key, selection)
    return selection
  }
  // Nor for weights that nobody can run.
  const checkConfig = async (text: string, label: string): Promise<void> => {
    const { plugin } = await select(modelClassOf(text, label))
    await plugin.checkConfig?.(text, label)
  }
  const location = { workingDirectory: appDirectory, env, checkConfig, ...download }
  const config = parseEngineOptions(await locateModel(options, location), appDirectory)
  const selection = await select(await facts(config.model.path))
  const passedOver = passedOverMessage(selection)
  if (passedOver !== undefined) process.emitWarning(passedOver, 'QuireWarning')
  return { config, selection }
}

/** What decides which plugin can run a model. */
type ModelFacts = ModelClass & { readonly weights?: 'gguf' }

async function facts(path: string): Promise<ModelFacts> {
  if (!isGguf(path)) return readModelClass(path)
  checkUnpacked(path)
  return { architecture: (await readGgufSummary(await loadNative(), path)).architecture, weights: 'gguf' }
}

/** Opens ranks of the selected plugin, one device each where there are several. */
export async function rankOpener({ plugin, device }: Pick<Selection, 'plugin' | 'device'>): Promise<OpenRank> {
  const native = await loadNative()
  return async group => {
    const ownDevice = device.kind === 'cpu' ? device : { ...device, index: device.index + (group?.rank ?? 0) }
    const opened = await openPlugin(plugin, {
      device: ownDevice,
      env: process.env,
      shareMemory: byteLength => shareMemory(native, byteLength, process.env),
      ...(group !== undefined && { group }),
    })
    return { ...opened, device: ownDevice }
  }
}
