// Checks that every package of both dependency trees has a licence that goes with Apache-2.0. Reads cargo's metadata and
// the manifests under node_modules; needs no network.
import { readFile } from 'node:fs/promises'
import { outputOf } from './execute.mjs'
import { inRoot } from './repository.mjs'
import { StepError } from './step-error.mjs'

/** Licences that ask for no more than to be named. */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'Apache-2.0 WITH LLVM-exception',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BSL-1.0',
  'CC0-1.0',
  'CDLA-Permissive-2.0',
  'ISC',
  'MIT',
  'MIT-0',
  'PSF-2.0',
  'Python-2.0',
  'Unicode-3.0',
  'Unlicense',
  'Zlib',
])

/** Tools that only the build runs, by name, with their licences: nothing of them comes into a package. */
const TOOLS = new Map([['rollup-plugin-dts', 'LGPL-3.0-only']])

/**
 * Whether an SPDX expression leaves a choice of allowed licences only. Understands AND, OR, WITH and parentheses; the slash
 * of old Cargo manifests is OR. Anything else is not allowed.
 */
export function isAllowed(expression) {
  const tokens = expression.replaceAll('/', ' OR ').match(/[()]|[^\s()]+/g) ?? []
  let at = 0
  const any = () => {
    let allowed = all()
    while (tokens[at] === 'OR') {
      at += 1
      allowed = all() || allowed
    }
    return allowed
  }
  const all = () => {
    let allowed = one()
    while (tokens[at] === 'AND') {
      at += 1
      allowed = one() && allowed
    }
    return allowed
  }
  const one = () => {
    const token = tokens[at++]
    if (token === '(') {
      const allowed = any()
      return tokens[at++] === ')' && allowed
    }
    if (tokens[at] !== 'WITH') return ALLOWED.has(token)
    at += 2
    return ALLOWED.has(`${token} WITH ${tokens[at - 1]}`)
  }
  const allowed = any()
  return at === tokens.length && allowed
}

/** @returns {Promise<number>} how many packages were looked at. @throws {StepError} names each package that fails. */
export async function checkLicences() {
  const packages = [...(await cargoPackages()), ...(await npmPackages())]
  const refused = packages.filter(
    ({ tool, licence }) => !isAllowed(licence) && (tool === undefined || TOOLS.get(tool) !== licence),
  )
  if (refused.length === 0) return packages.length
  const lines = refused.map(({ name, licence }) => `  ${name}: ${licence || 'no licence named'}`)
  throw new StepError(`Licences that are not on the list of ts/build/licences.mjs:\n${lines.join('\n')}`)
}

async function cargoPackages() {
  const output = await outputOf('cargo', ['metadata', '--format-version', '1', '--locked'])
  if (output === undefined) throw new StepError('cargo metadata failed: is Cargo.lock in step with the manifests?')
  return JSON.parse(output).packages.map(({ name, version, license }) => ({
    name: `cargo ${name} ${version}`,
    licence: license ?? '',
  }))
}

/** Of every locked package that is installed; those of other platforms are published together with the one that is. */
async function npmPackages() {
  const lock = JSON.parse(await readFile(inRoot('package-lock.json'), 'utf8'))
  const paths = Object.keys(lock.packages).filter(path => path.startsWith('node_modules/') && !lock.packages[path].link)
  const manifests = await Promise.all(paths.map(path => readManifest(path, lock.packages[path].optional === true)))
  return manifests.filter(manifest => manifest !== undefined)
}

async function readManifest(path, optional) {
  const text = await readFile(inRoot(path, 'package.json'), 'utf8').catch(() => undefined)
  if (text === undefined) {
    if (optional) return undefined
    throw new StepError(`${path} is locked but not installed; run npm ci.`)
  }
  const { name, version, license, licenses } = JSON.parse(text)
  const licence =
    typeof license === 'string' ? license : (license?.type ?? licenses?.map(({ type }) => type).join(' OR '))
  return { tool: name, name: `npm ${name} ${version}`, licence: licence ?? (await licenceOfFile(path)) }
}

/** Where the manifest names none, the first line of the licence that lies beside it does, if it is MIT's. */
async function licenceOfFile(path) {
  const text = await readFile(inRoot(path, 'LICENSE'), 'utf8').catch(() => '')
  return /^\s*(?:The )?MIT License\b/.test(text) ? 'MIT' : ''
}
