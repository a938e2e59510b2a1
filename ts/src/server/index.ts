// `quire-llm/server`: an engine as an OpenAI server, as a web handler or on node's sockets.

export type { Clock } from './clock.js'
export type { ListenOptions, TlsOptions } from './listen-options.js'
export type { Logger } from './logger.js'
export { type StatsLog, startStatsLog } from './metrics/stats-log.js'
export { type CloseOptions, NodeServer, type NodeServerOptions } from './node-server.js'
export * from './portable.js'
export type { ServerOptions } from './server-options.js'
export { createHandler, type WebHandler } from './web-handler.js'
