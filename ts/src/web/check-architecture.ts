// Whether anybody here can run a model, found out from its config.json before a byte of its weights is fetched.

import { ModelError } from '../errors.js'
import type { FrameworkPlugin } from '../plugin/index.js'

/**
 * Asks the plugin about the first of `architectures`. Where config.json names none, its model type decides when the weights
 * are there.
 * @throws ModelError (`ERR_MODEL_UNSUPPORTED`).
 */
export async function checkArchitecture(
  plugin: FrameworkPlugin,
  { architectures }: Readonly<Record<string, unknown>>,
  label: string,
): Promise<void> {
  const architecture: unknown = Array.isArray(architectures) ? architectures[0] : undefined
  const supported = (await plugin.probe()).capabilities?.architectures
  if (typeof architecture !== 'string' || supported === undefined || supported.includes(architecture)) return
  throw new ModelError(
    'ERR_MODEL_UNSUPPORTED',
    `The architecture ${architecture} of the model at ${label} is not supported. Supported: ${supported.join(', ')}.`,
    { details: { architecture, supported } },
  )
}
