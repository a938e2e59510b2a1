// fetch by way of the proxy that the environment names. Bun and Deno ask the environment by themselves; Node does not, and
// for it undici's own fetch is loaded, once a proxy is wanted.

import { InvalidArgumentError } from '../errors.js'

export type Fetch = (url: URL, init: RequestInit) => Promise<Response>

type Environment = Readonly<Record<string, string | undefined>>

/** fetch, which goes through HTTPS_PROXY, HTTP_PROXY or ALL_PROXY but for hosts in NO_PROXY. */
export function proxyFetch(env: Environment): Fetch {
  if (process.versions.bun !== undefined || process.versions.deno !== undefined) return (url, init) => fetch(url, init)
  const agents = new Map<string, Promise<Fetch>>()
  return async (url, init) => {
    const proxy = proxyFor(url, env)
    if (proxy === undefined) return fetch(url, init)
    const known = agents.get(proxy) ?? fetchThrough(proxy)
    agents.set(proxy, known)
    return (await known)(url, init)
  }
}

/** The proxy for an address. @throws InvalidArgumentError for one that is no address, without repeating its password. */
export function proxyFor(url: URL, env: Environment): string | undefined {
  const read = (name: string): string | undefined => env[name.toLowerCase()] || env[name] || undefined
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const text = read(name) ?? read('ALL_PROXY')
  if (text === undefined || isExempt(url, read('NO_PROXY') ?? '')) return undefined
  const address = text.includes('://') ? text : `http://${text}`
  if (URL.canParse(address) && /^https?:$/.test(new URL(address).protocol)) return address
  throw new InvalidArgumentError(
    name,
    `${name} must be the address of an HTTP proxy, such as http://proxy:8080.`,
    '...',
  )
}

/** `host`, `.domain`, `host:port` or `*`, between commas. */
function isExempt({ hostname, port, protocol }: URL, list: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase()
  const ownPort = port || (protocol === 'https:' ? '443' : '80')
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some(entry => {
      if (entry === '*') return true
      const [, name = entry, onlyPort] = /^(.*[^:]):(\d+)$/.exec(entry) ?? []
      if (onlyPort !== undefined && onlyPort !== ownPort) return false
      const domain = name.replace(/^\*?\.|^\[|\]$/g, '')
      return host === domain || host.endsWith(`.${domain}`)
    })
}

async function fetchThrough(proxy: string): Promise<Fetch> {
  const { fetch: fetchBy, ProxyAgent } = await import('./proxy-client.js')
  const dispatcher = new ProxyAgent(proxy)
  return async (url, init) => {
    const response = await fetchBy(url, { ...init, dispatcher } as Parameters<typeof fetchBy>[1])
    return response as unknown as Response
  }
}
