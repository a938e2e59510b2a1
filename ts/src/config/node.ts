// Configuration where models are directories of a file system.

export { bundledModelDirectory } from './bundled-model.js'
export { parseEngineOptions } from './directory-options.js'
export { isGguf, modelPathOf, onlyGguf } from './gguf-files.js'
export { checkUnpacked, readArchitecture } from './model-files.js'
