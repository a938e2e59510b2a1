// The packages that hold native code: one for each addon and platform, and how the package that loads the addon asks for them.
// They stand in no package.json of the repository: what is not published yet cannot be installed, and a clone builds its own.
import { readFileSync } from 'node:fs'
import { parseTriple } from '@napi-rs/cli'
import { ADDONS } from './native.mjs'
import { inRoot } from './repository.mjs'

/**
 * An addon's package for a platform.
 * @typedef {{ name: string, file: string, platform: string, folder: string, manifest: object }} PlatformPackage
 *   file: the addon; platform: `linux-x64-gnu`; folder: of the package that loads it
 */

/** @returns {PlatformPackage[]} of every addon, for every target of its napi.json. */
export function platformPackages() {
  return ADDONS.flatMap(({ folder }) => {
    const { binaryName, packageName, targets } = readJson(`${folder}/napi.json`)
    return targets.map(triple => {
      const { platformArchABI: platform, platform: system, arch, abi } = parseTriple(triple)
      const file = `${binaryName}.${platform}.node`
      const owner = readJson(`${folder}/package.json`)
      const manifest = {
        name: `${packageName}-${platform}`,
        version: owner.version,
        description: `Native code of ${owner.name} for ${platform}.`,
        license: owner.license,
        type: 'commonjs',
        engines: owner.engines,
        main: file,
        files: [file],
        os: [system],
        cpu: [arch],
        ...(system === 'linux' && { libc: [abi === 'musl' ? 'musl' : 'glibc'] }),
      }
      return { name: manifest.name, file, platform, folder, manifest }
    })
  })
}

function readJson(path) {
  return JSON.parse(readFileSync(inRoot(path), 'utf8'))
}
