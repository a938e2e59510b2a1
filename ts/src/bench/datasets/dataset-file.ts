// Reads the file of a data set.

import { readFile } from 'node:fs/promises'
import { InvalidArgumentError } from '../../errors.js'

/** @throws InvalidArgumentError if there is no such file. */
export async function readDatasetFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message
    throw new InvalidArgumentError('datasetPath', `The data set cannot be read (${reason}).`, path)
  }
}

/** @throws InvalidArgumentError that names the line, if there is more than one. */
export function parseDatasetJson(text: string, path: string, line?: number): unknown {
  try {
    return JSON.parse(text)
  } catch {
    const where = line === undefined ? 'The data set' : `Line ${line} of the data set`
    throw new InvalidArgumentError('datasetPath', `${where} is not JSON.`, path)
  }
}
