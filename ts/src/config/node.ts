// Configuration where models are directories of a file system.

export { bundledModelDirectory } from './bundled-model.js'
export { parseEngineOptions } from './directory-options.js'
export { modelPathOf } from './gguf-files.js'
export { isGguf, onlyGguf } from './gguf-names.js'
export { checkUnpacked, type ModelClass, modelClassOf, readModelClass } from './model-files.js'
