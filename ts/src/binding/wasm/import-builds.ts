// Gets the builds of the WebAssembly module when a model is to be loaded. When Quire is packed they are in a package of their own, which an
// app may lack: importing Quire must work without it, and loading a model must say what to install (`ts/build/wasm-package.mjs`).

import { packageVersion } from '../../config/package-version.js'
import { NativeBindingError } from '../../errors.js'
import type { Build, BuildName } from './builds.js'

const PACKAGE = '@quire-llm/wasm'

/** @throws NativeBindingError where their package is not installed, or cannot be fetched. */
export async function importBuilds(): Promise<Readonly<Record<BuildName, Build>>> {
  try {
    // Within `try`, so that bundlers that do not find it warn and go on.
    const { relaxedBuild, simdBuild, threadsBuild } = await import('./builds.js')
    return { relaxed: relaxedBuild, simd: simdBuild, threads: threadsBuild }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const wanted = `${PACKAGE}@${packageVersion()}`
    throw new NativeBindingError(
      `The package ${PACKAGE}, which has the WebAssembly module, cannot be imported (${reason}). Is it installed? \`npm install ${wanted}\` adds it to an app; an app that is bundled is then built anew.`,
      { cause, details: { package: PACKAGE, version: packageVersion() } },
    )
  }
}
