// The options of a command line that are about the hub, as the hub takes them.

import type { EngineOptions } from '../config/index.js'
import type { HubOptions } from '../hub/index.js'

export function hubSettingsOf({ hfToken, cacheDir, offline }: EngineOptions): HubOptions {
  return {
    ...(hfToken !== undefined && { token: hfToken }),
    ...(cacheDir !== undefined && { cacheDir }),
    ...(offline !== undefined && { offline }),
  }
}
