// GET /tokenizer_info: how the tokenizer was configured, for clients that bring one of their own.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Engine } from '../../engine/index.js'
import { EngineError } from '../../errors.js'
import { tokenizerInfoBody, tokenizerInfoSchema } from '../protocol/tokenizer-info.js'
import { RequestError } from '../request-error.js'
import type { Route } from '../route.js'
import type { ServerContext } from '../server-context.js'

export const tokenizerInfoRoute: Route<ServerContext> = {
  method: 'GET',
  path: '/tokenizer_info',
  description: {
    summary: "The tokenizer's configuration.",
    tag: 'Tokenizer',
    response: tokenizerInfoSchema,
    errors: [404],
  },
  handle: async (_request, { engine }) => {
    const { tokenizerPath } = engine
    if (tokenizerPath === undefined) throw new RequestError(404, 'This server runs without a tokenizer.')
    return { kind: 'json', body: tokenizerInfoBody(await configIn(tokenizerPath), templateOf(engine)) }
  },
}

/** tokenizer_config.json, which not every model has. */
async function configIn(directory: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await readFile(join(directory, 'tokenizer_config.json'), 'utf8').catch(() => '{}')
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
  } catch {
    return {}
  }
}

function templateOf(engine: Engine): string | undefined {
  try {
    return engine.chatTemplateSource(false)
  } catch (error) {
    if (error instanceof EngineError) return undefined
    throw error
  }
}
