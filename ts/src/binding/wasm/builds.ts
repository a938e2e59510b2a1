// Where the builds of the WebAssembly module lie. When Quire is packed this file and they become a package of their own, so it
// imports nothing else, and only `import-builds.ts` imports it (`ts/build/wasm-package.mjs`).

/** `threads` is `relaxed` over memory that Workers share. */
export type BuildName = 'relaxed' | 'simd' | 'threads'

/** A build, where its files lie, and how its JavaScript is imported: by literals, which bundlers follow. */
export interface Build {
  readonly name: BuildName
  readonly module: URL
  importGlue(): Promise<unknown>
}

export const relaxedBuild: Build = {
  name: 'relaxed',
  module: new URL('../../../wasm/relaxed/quire_bg.wasm', import.meta.url),
  // biome-ignore lint/suspicious/noTsIgnore: an error only where `npm run build:wasm` has not made it
  // @ts-ignore
  importGlue: () => import('../../../wasm/relaxed/quire.js'),
}

export const simdBuild: Build = {
  name: 'simd',
  module: new URL('../../../wasm/simd/quire_bg.wasm', import.meta.url),
  // biome-ignore lint/suspicious/noTsIgnore: an error only where `npm run build:wasm` has not made it
  // @ts-ignore
  importGlue: () => import('../../../wasm/simd/quire.js'),
}

export const threadsBuild: Build = {
  name: 'threads',
  module: new URL('../../../wasm/threads/quire_bg.wasm', import.meta.url),
  // biome-ignore lint/suspicious/noTsIgnore: an error only where `npm run build:wasm` has not made it
  // @ts-ignore
  importGlue: () => import('../../../wasm/threads/quire.js'),
}
