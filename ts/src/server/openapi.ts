// The OpenAPI document of a server, made of the schemas that check its requests.

import { type ZodType, z } from 'zod'
import { errorSchema, unauthorizedSchema } from './protocol/operation-objects.js'
import type { Route, RouteDescription } from './route.js'

export interface OpenApiFacts {
  readonly version: string
  /** Put before all paths by a proxy. */
  readonly rootPath: string
  readonly hasKeys: boolean
}

type Json = Readonly<Record<string, unknown>>

/** Statuses that any endpoint with a body may answer with. */
const BODY_ERRORS = [400, 408, 413, 415, 429]
/** Statuses that any endpoint may answer with. */
const COMMON_ERRORS = [400, 403, 500, 503]

const meanings: Readonly<Record<number, string>> = {
  400: 'The request is wrong; `param` names the field.',
  403: 'A page of an origin that is not allowed called.',
  404: 'There is no such thing.',
  408: 'The body came too slowly.',
  409: 'The state of the server does not allow it now.',
  413: 'The body is too large.',
  415: 'The body is compressed.',
  422: 'The request cannot be processed.',
  429: 'Too much waits already; come again after `Retry-After` seconds.',
  500: 'The server failed.',
  501: 'This server does not do that.',
  503: 'The server does not serve now.',
}

export function openApiDocument<Context>(routes: readonly Route<Context>[], facts: OpenApiFacts): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)\*?/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route, facts.hasKeys) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Quire', description: 'An OpenAI-compatible server.', version: facts.version },
    servers: [{ url: facts.rootPath === '' ? '/' : facts.rootPath }],
    paths,
    components: {
      schemas: { Error: schemaOf(errorSchema, 'output'), Unauthorized: schemaOf(unauthorizedSchema, 'output') },
      ...(facts.hasKeys && { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } }),
    },
    ...(facts.hasKeys && { security: [{ bearer: [] }] }),
  }
}

function operationOf<Context>({ method, path, description }: Route<Context>, hasKeys: boolean): Json {
  const { summary, tag, request, error, errors = [] } = description
  const parameters = [...parametersOf(path), ...queryOf(description)]
  const statuses = new Set([...COMMON_ERRORS, ...(method === 'POST' ? BODY_ERRORS : []), ...errors])
  return {
    summary,
    tags: [tag],
    operationId: `${method.toLowerCase()}${path.replace(/\W+(\w)/g, (_, letter: string) => letter.toUpperCase()).replace(/\W/g, '')}`,
    ...(parameters.length > 0 && { parameters }),
    ...(request !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(request, 'input') } } },
    }),
    responses: {
      200: replyOf(description),
      ...(hasKeys && { 401: errorReply('No key, or one that is not known.', refTo('Unauthorized')) }),
      ...Object.fromEntries(
        [...statuses]
          .toSorted((a, b) => a - b)
          .map(status => [
            status,
            errorReply(meanings[status] ?? '', error === undefined ? refTo('Error') : schemaOf(error, 'output')),
          ]),
      ),
    },
  }
}

function parametersOf(path: string): Json[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', minLength: 1 },
  }))
}

function queryOf({ query = {} }: RouteDescription): Json[] {
  return Object.entries(query).map(([name, values]) => ({
    name,
    in: 'query',
    schema: values.length === 0 ? { type: 'string' } : { type: 'string', enum: values },
  }))
}

function replyOf({ summary, response, event, contentType }: RouteDescription): Json {
  const content: Record<string, Json> = {}
  if (response !== undefined) content['application/json'] = { schema: schemaOf(response, 'output') }
  if (event !== undefined) {
    content['text/event-stream'] = { schema: eventOf(schemaOf(event, 'output')) }
  }
  if (contentType !== undefined) content[contentType] = { schema: { type: 'string' } }
  return { description: summary, ...(Object.keys(content).length > 0 && { content }) }
}

/** What each event is; its data is text for whoever reads events. */
function eventOf(shape: Json): Json {
  const data = { type: 'string', description: `JSON of this shape: ${JSON.stringify(shape)}` }
  const event = { type: 'string', description: 'The kind of the event, where an API names kinds.' }
  return { type: 'object', properties: { event, data }, required: ['data'] }
}

function errorReply(description: string, schema: Json): Json {
  return { description, content: { 'application/json': { schema } } }
}

function refTo(schema: string): Json {
  return { $ref: `#/components/schemas/${schema}` }
}

/** Without `$schema`, which has no place inside of a document. */
function schemaOf(schema: ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' })
  return rest
}
