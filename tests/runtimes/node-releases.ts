// Releases of Node.js from the npm registry, one folder each in .cache/runtimes; the one that runs the tests stands for its own
// line. A release that cannot be had is a reason.

import { join } from 'node:path'
import { fetchPackage } from './fetched-package.js'

/** The oldest that Quire supports, those with long-term support, and the newest: as npm's `node` package has them. */
const RELEASES = ['20.20.2', '22.23.3', '24.19.0', '26.10.0']

export interface NodeRelease {
  readonly version: string
  /** The command line that starts it. */
  readonly start: readonly string[] | { readonly reason: string }
}

/** One after the other: npm itself uses what cores there are. */
export async function nodeReleases(): Promise<NodeRelease[]> {
  const releases: NodeRelease[] = []
  for (const version of RELEASES) releases.push({ version, start: await nodeRelease(version) })
  return releases
}

async function nodeRelease(version: string): Promise<NodeRelease['start']> {
  if (Number.parseInt(process.versions.node, 10) === Number.parseInt(version, 10)) return [process.execPath]
  const isWindows = process.platform === 'win32'
  // The package `node` only installs this one, by a script.
  const name = `node-${isWindows ? 'win' : process.platform}-${process.arch}`
  const file = join('bin', isWindows ? 'node.exe' : 'node')
  const path = await fetchPackage({ name, version, folder: `runtimes/node-${version}`, file })
  return typeof path === 'string' ? [path] : path
}
