// The door to WebAssembly: what the native modules are elsewhere.

export { loadWasm, type WasmDoor, type WasmOptions } from './load-wasm.js'
export { ModelFiles, WeightsWriter } from './model-files.js'
