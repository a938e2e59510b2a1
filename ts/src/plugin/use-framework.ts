// Opens a framework without a model, for programs that want tensors and devices alone.

import { deselectFramework, selectFramework } from './current-framework.js'
import type { Device } from './device.js'
import type { Framework } from './framework.js'
import { openPlugin } from './open-plugin.js'
import { type SelectionOptions, selectPlugin } from './selection.js'

/** Where a framework is opened and where it is looked for. */
export interface UseFrameworkOptions {
  /** Default: the plugin's first. */
  readonly device?: Device
  /** Default: this process's. */
  readonly env?: SelectionOptions['env']
  /** Default: the working directory. */
  readonly appDirectory?: string
}

/** A framework in use. Closing it frees its device; `framework` then speaks for the one used before. */
export interface FrameworkInUse extends AsyncDisposable {
  /** The plugin's name. */
  readonly name: string
  /** The device that it was opened on. */
  readonly device: Device
  /** Its adapter. */
  readonly framework: Framework
  /** Closes the framework. Tensors of it must not be used any more. */
  close(): Promise<void>
}

/**
 * Opens a framework of its own, beside those of engines and earlier calls, and makes it what `framework` speaks for. It has
 * no effect on engines: which framework an LLM runs on is said by its options, QUIRE_FRAMEWORK, or what is installed.
 * @param name absent = what an LLM would run on.
 * @throws NoFrameworkError with each candidate's reason, PluginError, what the plugin throws when it opens.
 */
export async function useFramework(name?: string, options: UseFrameworkOptions = {}): Promise<FrameworkInUse> {
  const { env = process.env, appDirectory = process.cwd() } = options
  const { plugin, device } = await selectPlugin({
    env,
    appDirectory,
    ...(process.argv[1] !== undefined && { entryScript: process.argv[1] }),
    ...(name !== undefined && { framework: name }),
    ...(options.device !== undefined && { device: options.device }),
  })
  const opened = await openPlugin(plugin, { device, env })
  try {
    opened.framework.setDevice(device)
  } catch (error) {
    await opened.close()
    throw error
  }
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    deselectFramework(inUse)
    closing ??= opened.close()
    return closing
  }
  const inUse = { name: plugin.name, device, framework: opened.framework, close, [Symbol.asyncDispose]: close }
  selectFramework(inUse)
  return inUse
}
