// `quire-llm/plugin`: the contract between Quire and a framework plugin, whole. A plugin imports this and nothing else of Quire.

export type {
  EmbeddedTools,
  GgufQuantization,
  ImportanceCollection,
  KernelMeasurement,
  KernelMeasurementOptions,
} from './embedded-tools.js'
export { loadNativeAddon, type NativeAddon, type NativeHost } from './native-addon.js'
export type { NativePlatform } from './native-platform.js'
export * from './portable.js'
export * from './python-environment.js'
