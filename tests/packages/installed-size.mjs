// How much an app has in its node_modules, package by package: bytes of files, as they are copied, without what file systems add.
import { readdirSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'

/**
 * @param {string} app folder with a node_modules
 * @param {(path: string) => boolean} [isCounted] by a file's path; default: every file
 * @returns {{ bytes: number, packages: Record<string, number> }} the largest package first
 */
export function installedSize(app, isCounted = () => true) {
  const modules = join(app, 'node_modules')
  const sizes = new Map()
  for (const entry of readdirSync(modules, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name)
    const [first, second] = relative(modules, path).split(sep)
    // What package managers keep for themselves is no package.
    if (!entry.isFile() || first.startsWith('.') || !isCounted(path)) continue
    const name = first.startsWith('@') ? `${first}/${second}` : first
    sizes.set(name, (sizes.get(name) ?? 0) + statSync(path).size)
  }
  const packages = Object.fromEntries([...sizes].sort(([, a], [, b]) => b - a))
  return { packages, bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0) }
}
