// The logits processors that an engine was made with, in the thread of its loop: functions as they came, modules imported.

import {
  type ExtraArgs,
  isProcessor,
  type LogitsProcessor,
  type LogitsProcessorDefinition,
  type NamedLogitsProcessor,
} from '../config/logits-processors.js'
import { InvalidArgumentError, LogitsProcessorError } from '../errors.js'
import type { ReasoningBudget } from './reasoning-budget.js'
import { isStrayPromise } from './stray-promise.js'

/** What a request asks of them. Data: it crosses to the thread of the loop. */
export interface ProcessorRequest {
  readonly names: readonly string[]
  readonly args: ExtraArgs
  /** Runs after them. */
  readonly reasoningBudget?: ReasoningBudget
}

/** Processors with the arguments of one request. */
export interface BoundProcessors {
  readonly processors: readonly NamedProcess[]
  readonly args: ExtraArgs
  /** Each sequence has it for itself. */
  readonly reasoningBudget?: ReasoningBudget
}

export interface NamedProcess {
  readonly name: string
  readonly process: LogitsProcessor
}

export class ProcessorRegistry {
  readonly #definitions: ReadonlyMap<string, LogitsProcessorDefinition>

  private constructor(definitions: ReadonlyMap<string, LogitsProcessorDefinition>) {
    this.#definitions = definitions
  }

  /** @throws LogitsProcessorError for a module that cannot be loaded or has no processor. */
  static async load(named: readonly NamedLogitsProcessor[]): Promise<ProcessorRegistry> {
    const definitions = new Map<string, LogitsProcessorDefinition>()
    for (const { name, source } of named) {
      const found = typeof source === 'string' ? await imported(name, source) : source
      definitions.set(name, typeof found === 'function' ? { process: found } : found)
    }
    return new ProcessorRegistry(definitions)
  }

  /**
   * @throws InvalidArgumentError for a name that nobody registered, or arguments that a processor refuses; LogitsProcessorError
   * for a processor that does not say at once.
   */
  bind({ names, args, reasoningBudget }: ProcessorRequest): BoundProcessors {
    const processors = names.map(name => {
      const definition = this.#definitions.get(name)
      if (definition === undefined) {
        throw new InvalidArgumentError('logitsProcessors', `There is no logits processor \`${name}\`.`, name)
      }
      let answer: unknown
      try {
        answer = definition.validate?.(args)
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        throw new InvalidArgumentError('extraArgs', `The logits processor \`${name}\` refuses them: ${message}`, args)
      }
      if (isStrayPromise(answer)) {
        const details = { processors: [name] }
        throw new LogitsProcessorError(`\`validate\` of the logits processor \`${name}\` gave a promise.`, { details })
      }
      return { name, process: definition.process.bind(definition) }
    })
    return { processors, args: frozen(args) as ExtraArgs, ...(reasoningBudget !== undefined && { reasoningBudget }) }
  }
}

/** @throws InvalidArgumentError for a processor that cannot be sent to another thread. */
export function requireModules(named: readonly NamedLogitsProcessor[]): void {
  for (const { name, source } of named) {
    if (typeof source === 'string') continue
    throw new InvalidArgumentError(
      `logitsProcessors.${name}`,
      'The loop of this engine has a thread of its own, where no function of this one can go. Give the path or URL of a module that has the processor as its default export, or have the loop here: `LLM.create`, or `Engine.create(options, "inline")`.',
      source,
    )
  }
}

async function imported(name: string, url: string): Promise<LogitsProcessor | LogitsProcessorDefinition> {
  let module: { readonly default?: unknown }
  try {
    module = await import(/* @vite-ignore */ /* webpackIgnore: true */ url)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const details = { processors: [name], url }
    throw new LogitsProcessorError(`The module of the logits processor \`${name}\` cannot be loaded: ${reason}`, {
      cause,
      details,
    })
  }
  if (isProcessor(module.default)) return module.default
  throw new LogitsProcessorError(
    `The module of the logits processor \`${name}\` must have as its default export a function, or an object with the function \`process\`.`,
    { details: { processors: [name], url } },
  )
}

/** Frozen again: what crossed between threads is a copy that is not. */
function frozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values(value)) frozen(inner)
  return Object.freeze(value)
}
