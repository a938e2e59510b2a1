// What a model on disk is, read without its weights: for `quire info <model>`.

import { readGgufSummary } from '../binding/index.js'
import { loadNative } from '../binding/node.js'
import { isGguf, readModelClass } from '../config/node.js'
import { resolveModel } from '../hub/index.js'

/** Facts by their names, as they are printed. @throws ModelError, HubError. */
export async function describeModel(model: string): Promise<Readonly<Record<string, unknown>>> {
  const path = await resolveModel(model, { offline: true })
  if (!isGguf(path)) return { path, ...(await readModelClass(path)) }
  const { formats, ...summary } = await readGgufSummary(await loadNative(), path)
  return {
    path,
    ...summary,
    formats: Object.fromEntries(formats.map(({ name, numTensors }) => [name, numTensors])),
  }
}

/** The facts in lines. */
export function modelLines(facts: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(facts).map(([name, value]) => {
    const words = name.replaceAll(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`)
    return `${words.padEnd(18)} ${textOf(value)}`
  })
}

function textOf(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([name, count]) => `${name} (${count} tensors)`)
    .join(', ')
}
