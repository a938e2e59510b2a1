// Finds and loads the native module of a package: built in a clone, from the package of this platform, or beside a bundle.

import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readBinaryHeader } from './binary-header.js'
import { type Attempt, type Fault, nativeFailure } from './native-failure.js'
import { currentPlatform, type NativePlatform, PUBLISHED_PLATFORMS, platformName } from './native-platform.js'

/** A native module, and where it may be. */
export interface NativeAddon {
  /** The package that loads it: `quire-llm`. */
  readonly owner: string
  /** The file's name before the platform: `quire` of `quire.linux-x64-gnu.node`. */
  readonly binary: string
  /** The name of the platform packages before the platform: `@quire-llm/node`. */
  readonly packages: string
  /** `import.meta.url` of the module that loads it: packages are found from there. */
  readonly from: string
  /** The owner's folder, relative to `from`: `../../`. */
  readonly root: string
  /**
   * Requires the package of a platform by its whole name, which is written out in the code: programs that copy what a server needs
   * (Next.js' standalone output, Nitro, those of serverless platforms) follow no name that is put together. Without it they leave the
   * package behind.
   */
  readonly requirePackage?: (platform: string) => unknown
}

/** What the loader is told of its surroundings. */
export interface NativeHost {
  /** The machine. */
  readonly platform: NativePlatform
  /** The environment, of which QUIRE_NATIVE_DIR is read. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * The module's exports. With QUIRE_NATIVE_DIR set, that folder is the only place where it is looked for.
 * @throws NativeBindingError naming the platform, the files tried and the command that helps.
 */
export function loadNativeAddon(addon: NativeAddon, host?: NativeHost): unknown {
  const { platform, env } = host ?? { platform: currentPlatform(), env: process.env }
  const name = platformName(platform)
  const require = createRequire(addon.from)
  const ofPlatform = resolved(`${addon.packages}-${name}`, require)
  const attempts: Attempt[] = []
  for (const place of placesOf(addon, name, env, ofPlatform)) {
    const fault = faultOf(place, addon, platform)
    if (fault === undefined) {
      try {
        return (place === ofPlatform ? addon.requirePackage?.(name) : undefined) ?? require(place)
      } catch (cause) {
        attempts.push({ place, fault: { kind: 'load', cause } })
      }
    } else attempts.push({ place, fault })
  }
  const installed = PUBLISHED_PLATFORMS.filter(name => resolved(`${addon.packages}-${name}`, require) !== undefined)
  throw nativeFailure({ addon, platform, attempts, installed })
}

/** Paths, and the name of the platform's package where it is not installed. */
function placesOf(addon: NativeAddon, platform: string, env: NativeHost['env'], ofPlatform?: string): string[] {
  const file = `${addon.binary}.${platform}.node`
  if (env.QUIRE_NATIVE_DIR) return [join(env.QUIRE_NATIVE_DIR, file)]
  return [
    pathOf(`${addon.root}native/${file}`, addon),
    ofPlatform ?? `${addon.packages}-${platform}`,
    pathOf(`./${file}`, addon),
  ]
}

/** Why a file must not be loaded: said here, where the system's loader says less, or kills the process. */
function faultOf(place: string, addon: NativeAddon, { system, arch }: NativePlatform): Fault | undefined {
  if (!existsSync(place)) return { kind: 'missing' }
  if (!canBeOpened(place)) return undefined
  const header = readBinaryHeader(place)
  if (header === undefined || !header.isWhole) return { kind: 'corrupt' }
  if (header.system !== system || !header.archs.includes(arch)) {
    return { kind: 'foreign', madeFor: `${header.system} on ${header.archs.join(' and ')}` }
  }
  const owner = manifestIn(pathOf(addon.root, addon))
  const found = manifestIn(dirname(place))
  // In a bundle the folders are others, and there is nothing to compare.
  if (owner?.name !== addon.owner || !found?.name?.startsWith(addon.packages) || found.version === owner.version) {
    return undefined
  }
  return { kind: 'version', wanted: String(owner.version), found: String(found.version) }
}

/** Not so what lies inside an executable made by `bun build --compile`, which can be loaded all the same. */
function canBeOpened(place: string): boolean {
  try {
    closeSync(openSync(place, 'r'))
    return true
  } catch {
    return false
  }
}

function manifestIn(folder: string): { name?: string; version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string; version?: string }
  } catch {
    return undefined
  }
}

function pathOf(relative: string, { from }: NativeAddon): string {
  return fileURLToPath(new URL(relative, from))
}

function resolved(packageName: string, require: NodeJS.Require): string | undefined {
  try {
    return require.resolve(packageName)
  } catch {
    return undefined
  }
}
