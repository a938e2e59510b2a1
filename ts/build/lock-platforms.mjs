// Completes package-lock.json with the optional packages of other platforms. npm leaves out those that it could not see
// (a mirror that keeps one platform, an install over an old node_modules) and `npm ci` then refuses the file everywhere.
// Run it after `npm install`: node ts/build/lock-platforms.mjs
import { readFile, writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { inRoot } from './repository.mjs'
import { runMain } from './step-error.mjs'

const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']
const PROCESSORS = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64']

/** The entries that the lock file lacks: every optional dependency of a locked package that is itself not locked. */
export function missingPlatforms(lock) {
  const missing = {}
  for (const entry of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const path = `node_modules/${name}`
      if (lock.packages[path] === undefined) missing[path] = platformEntry(name, version, entry)
    }
  }
  return missing
}

/** What npm would have written for a platform package, but for its integrity, which only the registry knows. */
function platformEntry(name, version, parent) {
  const words = name.split(/[/-]/)
  const system = SYSTEMS.find(candidate => words.includes(candidate))
  const processor = PROCESSORS.find(candidate => words.includes(candidate))
  const library = words.includes('musl') ? 'musl' : words.includes('gnu') ? 'glibc' : undefined
  return {
    version,
    ...(processor && { cpu: [processor] }),
    ...(parent.dev && { dev: true }),
    ...(library && { libc: [library] }),
    optional: true,
    ...(system && { os: [system] }),
  }
}

async function main() {
  const path = inRoot('package-lock.json')
  const lock = JSON.parse(await readFile(path, 'utf8'))
  const missing = missingPlatforms(lock)
  const entries = Object.entries({ ...lock.packages, ...missing })
  lock.packages = Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
  await writeFile(path, `${JSON.stringify(lock, undefined, 2)}\n`)
  console.log(`${Object.keys(missing).length} packages of other platforms added to package-lock.json`)
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await runMain(main)
