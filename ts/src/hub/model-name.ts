// What a text that names a model can be: a path, or the name of a model on the hub with or without a revision, and which of its
// GGUF files.

import { InvalidArgumentError, ModelError } from '../errors.js'

/** A model on the hub, and which state of it. */
export interface ModelName {
  /** `org/name`. */
  readonly id: string
  /** A branch, a tag or a commit. */
  readonly revision: string
  /** The GGUF file, by its name or the end of it. */
  readonly gguf?: string
}

export const DEFAULT_REVISION = 'main'

const SEGMENT = /^[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?$/

/** What git lets a reference have, less what no file system should see. */
const REFUSED_IN_REVISION = /[\p{Cc} ~^:?*[\\"<>|%]|\.\.|\/\/|@\{|^[/.-]|[/.]$|\/\.|\.lock(?:\/|$)/u

/** What may stand behind `:`. */
const GGUF_CHOICE = /^\w[\w.+-]{0,200}$/

const COMMIT = /^[0-9a-f]{40}$/

/** Whether a revision is a whole commit hash, which never moves. */
export function isCommit(revision: string): boolean {
  return COMMIT.test(revision)
}

/**
 * `org/name`, `org/name@revision` or either with the choice of a GGUF file, `org/name:Q4_K_M`; undefined for anything else.
 * @throws InvalidArgumentError for a revision that no git repository can have, or two that differ.
 */
export function parseModelName(text: string, revision: string | undefined): ModelName | undefined {
  const at = text.indexOf('@')
  const [id = '', gguf, ...rest] = (at === -1 ? text : text.slice(0, at)).split(':')
  const segments = id.split('/')
  if (segments.length !== 2 || !segments.every(isSegment) || rest.length > 0) return undefined
  if (gguf !== undefined && !GGUF_CHOICE.test(gguf)) return undefined
  const written = at === -1 ? undefined : text.slice(at + 1)
  if (written !== undefined && revision !== undefined && written !== revision) {
    throw new InvalidArgumentError('revision', `'${text}' names another revision than '${revision}'.`, revision)
  }
  return {
    id,
    revision: checkRevision(written ?? revision ?? DEFAULT_REVISION),
    ...(gguf !== undefined && { gguf }),
  }
}

function isSegment(segment: string): boolean {
  return SEGMENT.test(segment) && !segment.includes('--') && !segment.includes('..') && !/\.git$/.test(segment)
}

function checkRevision(revision: string): string {
  if (revision === '' || revision.length > 200 || REFUSED_IN_REVISION.test(revision)) {
    throw new InvalidArgumentError('revision', 'A revision is a branch, a tag or a commit of the model.', revision)
  }
  return revision
}

/** The error for a text that is no folder and no name, with what to write instead. */
export function neitherPathNorName(text: string, path: string): ModelError {
  const details = { model: text, path }
  const looksLikePath = /^(?:[./~\\]|[A-Za-z]:[\\/])|\\|(?:\/[^/]*){2,}$/.test(text)
  const link = /^(?:hf|https?):\/*(?:[^/]+\.[^/]+\/)?([\w.-]+\/[\w.-]+)/.exec(text)?.[1]
  if (link !== undefined) {
    return new ModelError('ERR_MODEL_NOT_FOUND', `Name a model by its name, not by a link: '${link}'.`, { details })
  }
  if (/\.gguf$/i.test(text)) {
    return new ModelError('ERR_MODEL_NOT_FOUND', `There is no file at '${path}'.`, { details })
  }
  if (looksLikePath) {
    return new ModelError('ERR_MODEL_NOT_FOUND', `There is no model directory at '${path}'.`, { details })
  }
  const reason = `'${text}' is neither a folder here (there is no model directory at '${path}') nor a name on the hub.`
  const ways =
    "Give the path of a model's folder, or a name with its owner such as 'HuggingFaceTB/SmolLM2-135M-Instruct'."
  return new ModelError('ERR_MODEL_NOT_FOUND', `${reason} ${ways}`, { details })
}
