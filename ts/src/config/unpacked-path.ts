// Paths inside Electron's archives. There JavaScript reads as everywhere, but native code, which opens the file itself, and
// threads without Electron's own reading, cannot: they need the twin in the folder of what was left unpacked.

import { existsSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** `app.asar` with more after it; not `app.asar.unpacked`. */
const ARCHIVE = /\.asar(?=[\\/])/g

/** The twin of a path inside an archive, if there is one; else the path. */
export function unpackedPath(path: string): string {
  const twin = path.replace(ARCHIVE, '.asar.unpacked')
  return twin !== path && existsSync(twin) ? twin : path
}

/** The same for a module. */
export function unpackedUrl(url: URL): URL {
  return url.protocol === 'file:' ? pathToFileURL(unpackedPath(fileURLToPath(url))) : url
}

/** Whether a path is inside an archive of the Electron app that this is. */
export function isPacked(path: string, versions: NodeJS.ProcessVersions = process.versions): boolean {
  return versions.electron !== undefined && path.search(ARCHIVE) !== -1
}
