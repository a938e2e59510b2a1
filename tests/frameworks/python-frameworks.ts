// The frameworks that run in Python, for tests: each plugin registered, with the environment that `npm run test:frameworks`
// makes for it, or the reason why there is none.

import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { plugin as jax } from '@quire-llm/jax'
import { plugin as mindspore } from '@quire-llm/mindspore'
import { plugin as torch } from '@quire-llm/torch'
import { registerPlugin } from 'quire-llm'

const cache = fileURLToPath(new URL('../../.cache', import.meta.url))

process.env.QUIRE_HOME ??= cache
// PyTorch's build with CUDA, made small: these stand in for the libraries that a CPU does not need.
const standIns = join(cache, 'python', 'torch', 'cuda-stand-ins')
if (existsSync(standIns)) {
  process.env.LD_LIBRARY_PATH = [standIns, process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter)
}

export interface PythonFramework {
  readonly name: string
  /** Why its tests are skipped, if they are. */
  readonly reason: string | undefined
}

async function known(plugin: typeof torch): Promise<PythonFramework> {
  registerPlugin(plugin)
  const { available, reason } = await plugin.probe()
  return {
    name: plugin.name,
    reason: available ? undefined : `\`npm run test:frameworks\` makes its environment (${reason})`,
  }
}

/** Asks each plugin's probe. */
export const pythonFrameworks: readonly PythonFramework[] = await Promise.all([torch, jax, mindspore].map(known))
