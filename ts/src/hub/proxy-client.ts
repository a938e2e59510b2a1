// The part of undici that goes through proxies. Loaded once a proxy is wanted.

export { fetch, ProxyAgent } from 'undici'
