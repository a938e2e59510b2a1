// Opens a plugin for one rank, and holds it to its promises: what it opened is whole.

import { PluginError } from '../errors.js'
import { completeFramework } from './framework-members.js'
import type { FrameworkPlugin, OpenedFramework, OpenOptions } from './framework-plugin.js'

/** @throws what the plugin throws; PluginError if it opened something else than the contract says. */
export async function openPlugin(plugin: FrameworkPlugin, options: OpenOptions): Promise<OpenedFramework> {
  const opened: Partial<OpenedFramework> = await plugin.open(options)
  const missing = (
    [
      ['framework', 'object'],
      ['createRunner', 'function'],
      ['close', 'function'],
    ] as const
  ).find(([member, type]) => typeof opened?.[member] !== type)
  if (missing !== undefined) {
    throw new PluginError(`What ${plugin.name} opened lacks \`${missing[0]}\` (a ${missing[1]}).`, {
      details: { plugin: plugin.name, member: missing[0] },
    })
  }
  const whole = opened as OpenedFramework
  return {
    framework: completeFramework(whole.framework),
    createRunner: target => whole.createRunner(target),
    close: () => whole.close(),
  }
}
