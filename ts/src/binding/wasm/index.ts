// The door to WebAssembly: what the native modules are elsewhere.

export type { BuildName } from './builds.js'
export type { GgufHeader, WasmMemory } from './glue.js'
export { importBuilds } from './import-builds.js'
export { lendThread } from './lend-thread.js'
export { helpOfPolicy, loadWasm, type WasmDoor, type WasmOptions } from './load-wasm.js'
export { type GgufFile, ModelFiles, WeightsWriter } from './model-files.js'
