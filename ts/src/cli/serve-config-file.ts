// `--config file.yaml`: options as a file has them, turned into a command line that stands before the real one.

import { readFileSync } from 'node:fs'
import { loadAll } from 'js-yaml'
import { UsageError } from './usage-error.js'

/** @throws UsageError. */
export function argumentsOfFile(path: string): string[] {
  return argumentsOf(path, readYaml(path))
}

function readYaml(path: string): unknown {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`--config ${path} cannot be read: ${(error as Error).message}`)
  }
  let documents: unknown[]
  try {
    documents = loadAll(text)
  } catch (error) {
    throw new UsageError(`--config ${path} is not valid YAML: ${(error as Error).message}`)
  }
  if (documents.length > 1) throw new UsageError(`--config ${path} has several YAML documents.`)
  return documents[0]
}

function argumentsOf(path: string, options: unknown): string[] {
  if (options === null || options === undefined) return []
  if (typeof options !== 'object' || Array.isArray(options)) {
    throw new UsageError(`--config ${path} must have options and their values, as in \`port: 8000\`.`)
  }
  return Object.entries(options).flatMap(([name, value]) => {
    if (/^config$/.test(name)) throw new UsageError(`--config ${path} names another configuration file.`)
    if (value === null || value === undefined) return []
    if (typeof value === 'boolean') return [`--${name}=${value}`]
    if (Array.isArray(value)) return value.map(entry => `--${name}=${scalar(path, name, entry)}`)
    return [`--${name}=${scalar(path, name, value)}`]
  })
}

function scalar(path: string, name: string, value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    try {
      return JSON.stringify(value)
    } catch {
      throw new UsageError(`--config ${path}: ${name} holds itself.`)
    }
  }
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  throw new UsageError(`--config ${path}: ${name} has a value that no option takes.`)
}
