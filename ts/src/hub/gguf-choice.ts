// Which GGUF file of a repository is meant: `org/name:Q4_K_M` names it by its end, `org/name:file.gguf` as a whole. It sees
// names only.

import { HubError } from '../errors.js'
import { WEIGHTS, WEIGHTS_INDEX } from './file-selection.js'

/** A file at the top or in a folder there; what turns images into tokens is no model. */
const MODEL_FILE = /^(?:[\w][\w.+-]*\/)?(?!mmproj)[\w][\w.+-]*\.gguf$/i

/** The end of the name of a part. */
const PART = /-(\d{5})-of-(\d{5})\.gguf$/i

/** What is taken of several, as other programs do. */
const USUAL = 'Q4_K_M'

/** Whether a repository's model is a GGUF file: by what was asked, or because there are no other weights. */
export function isGgufModel(names: readonly string[], choice: string | undefined): boolean {
  if (choice !== undefined) return true
  return !names.includes(WEIGHTS) && !names.includes(WEIGHTS_INDEX) && names.some(name => MODEL_FILE.test(name))
}

/** The files of the model that is meant, all parts of a split one; the first is to be opened. @throws HubError. */
export function chooseGguf(
  names: readonly string[],
  choice: string | undefined,
  model: string,
): readonly [string, ...string[]] {
  const firsts = names.filter(name => MODEL_FILE.test(name) && Number(PART.exec(name)?.[1] ?? 1) === 1).sort()
  const meant =
    firsts.length === 1 && choice === undefined ? firsts : firsts.filter(name => fits(name, choice ?? USUAL))
  const [first, ...others] = meant
  if (first !== undefined && others.length === 0) return partsOf(first)
  const found = firsts.length === 0 ? 'It has none.' : `It has ${firsts.slice(0, 12).join(', ')}.`
  const what =
    choice === undefined ? `several GGUF files and none that ends with ${USUAL}` : whatOf(choice, meant.length)
  const ways =
    firsts.length === 0 ? '' : ` Name one as '${model}:${endOf(firsts[0] as string)}', or by its whole file name.`
  throw new HubError('ERR_HUB_NOT_FOUND', `${model} has ${what}. ${found}${ways}`, {
    details: { model, reason: 'weights', files: firsts },
  })
}

/** All parts, by the name of the first: of a whole file, itself. */
export function partsOf(first: string): readonly [string, ...string[]] {
  const count = Number(PART.exec(first)?.[2] ?? 1)
  const part = (index: number) =>
    first.replace(PART, (_, __, of: string) => `-${String(index).padStart(5, '0')}-of-${of}.gguf`)
  return [first, ...Array.from({ length: Math.min(count, 9999) - 1 }, (_, index) => part(index + 2))]
}

/** By the whole name, with or without its ending, by the end of it, or by its folder. */
function fits(name: string, choice: string): boolean {
  const [wanted, path] = [choice.toLowerCase().replace(/\.gguf$/, ''), name.toLowerCase()]
  const file = path.slice(path.lastIndexOf('/') + 1)
  const stem = file.replace(PART, '').replace(/\.gguf$/, '')
  const isEnd = stem.endsWith(wanted) && /[-_.]/.test(stem.at(-wanted.length - 1) ?? '')
  return stem === wanted || file.replace(/\.gguf$/, '') === wanted || isEnd || path.startsWith(`${wanted}/`)
}

function whatOf(choice: string, count: number): string {
  return count === 0 ? `no GGUF file that is called or ends with '${choice}'` : `${count} GGUF files for '${choice}'`
}

/** `Q4_0` of `model-Q4_0.gguf`. */
function endOf(name: string): string {
  const stem = name.replace(PART, '').replace(/\.gguf$/i, '')
  return /(?:IQ|Q|F|BF)\d\w*$/i.exec(stem)?.[0] ?? name.slice(name.lastIndexOf('/') + 1)
}
