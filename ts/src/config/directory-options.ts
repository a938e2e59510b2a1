// Options whose models are directories of this machine.

import { resolve } from 'node:path'
import { bundledModelDirectory } from './bundled-model.js'
import { type EngineConfig, type EngineOptions, parseOptions } from './engine-config.js'
import { unpackedPath } from './unpacked-path.js'

/**
 * Names must have become paths: what is no path here is taken for one.
 * @throws InvalidArgumentError naming the option.
 */
export function parseEngineOptions(options: EngineOptions, workingDirectory: string): EngineConfig {
  return parseOptions(options, {
    bundledModel: bundledModelDirectory,
    resolve: path => unpackedPath(resolve(workingDirectory, path)),
  })
}
