// Models by name: the hub, its cache on disk, and what turns a name into a directory.

export { type CachedModel, type CachedRevision, listCache } from './cache-contents.js'
export type { PullPhase, PullProgress } from './download-progress.js'
export { type HubOptions, type HubSettings, progressBarsDisabled, readHubSettings } from './hub-settings.js'
export { type CacheState, probeCache } from './probe-cache.js'
export { type HubState, probeHub } from './probe-hub.js'
export type { CheckConfig } from './pull-model.js'
export { planRemoval, type Removal, removeFromCache } from './remove-model.js'
export { pull, type ResolveOptions, resolveModel } from './resolve-model.js'
