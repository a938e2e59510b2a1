// Which endpoint a path is. Paths are compared as they were sent; only the named parts are decoded, so that no spelling of a
// path slips past what guards it.

import { RequestError } from './request-error.js'
import type { Route } from './route.js'

export interface RouteMatch<Context> {
  readonly route: Route<Context>
  readonly params: Readonly<Record<string, string>>
}

interface Pattern<Context> {
  readonly route: Route<Context>
  readonly parts: readonly string[]
}

export class Router<Context> {
  readonly #exact = new Map<string, Map<string, Route<Context>>>()
  readonly #patterns: Pattern<Context>[] = []

  constructor(routes: readonly Route<Context>[]) {
    for (const route of routes) {
      if (route.path.includes(':')) {
        this.#patterns.push({ route, parts: route.path.split('/') })
        continue
      }
      const methods = this.#exact.get(route.path) ?? new Map<string, Route<Context>>()
      if (methods.has(route.method)) throw new Error(`${route.method} ${route.path} is there twice (this is a bug)`)
      methods.set(route.method, route)
      this.#exact.set(route.path, methods)
    }
  }

  /** @throws RequestError 404, 405 with the methods that there are, 400 for a name that cannot be decoded. */
  match(method: string, path: string): RouteMatch<Context> {
    const wanted = method === 'HEAD' ? 'GET' : method
    const exact = this.#exact.get(path)?.get(wanted)
    if (exact !== undefined) return { route: exact, params: {} }
    for (const { route, parts } of this.#patterns) {
      if (route.method !== wanted) continue
      const params = paramsOf(parts, path)
      if (params !== undefined) return { route, params }
    }
    const methods = this.methodsOf(path)
    if (methods.length === 0) throw new RequestError(404, `There is no endpoint ${quoted(path)}.`)
    throw new RequestError(405, `${quoted(path)} does not take ${method}; it takes ${methods.join(', ')}.`, {
      headers: { allow: methods.join(', ') },
    })
  }

  /** The methods that a path takes. */
  methodsOf(path: string): string[] {
    const methods = new Set(this.#exact.get(path)?.keys())
    for (const { route, parts } of this.#patterns) {
      if (matches(parts, path.split('/'))) methods.add(route.method)
    }
    if (methods.has('GET')) methods.add('HEAD')
    return [...methods]
  }
}

function matches(parts: readonly string[], given: readonly string[]): boolean {
  const takesRest = parts.at(-1)?.endsWith('*') === true
  if (takesRest ? given.length < parts.length : given.length !== parts.length) return false
  return parts.every((part, index) => (part.startsWith(':') ? given[index] !== '' : part === given[index]))
}

function paramsOf(parts: readonly string[], path: string): Record<string, string> | undefined {
  const given = path.split('/')
  if (!matches(parts, given)) return undefined
  const params: Record<string, string> = {}
  for (const [index, part] of parts.entries()) {
    if (!part.startsWith(':')) continue
    const takesRest = part.endsWith('*')
    const raw = takesRest ? given.slice(index).join('/') : (given[index] as string)
    params[part.slice(1, takesRest ? -1 : undefined)] = decoded(raw)
  }
  return params
}

function decoded(raw: string): string {
  try {
    return decodeURIComponent(raw)
  } catch (cause) {
    throw new RequestError(400, `The path has the part ${quoted(raw)}, which cannot be decoded.`, { cause })
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text)
}
