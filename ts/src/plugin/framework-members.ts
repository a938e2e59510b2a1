// The members of Framework by name, and what stands in for one that a framework lacks: an error that names both.

import { NotSupportedError } from '../errors.js'
import type { Framework } from './framework.js'

const members: Readonly<Record<keyof Framework, 'value' | 'call'>> = {
  name: 'value',
  tensor: 'call',
  zeros: 'call',
  empty: 'call',
  narrow: 'call',
  view: 'call',
  copyFromHost: 'call',
  copyToHost: 'call',
  copyBlocks: 'call',
  half: 'value',
  float: 'value',
  bfloat16: 'value',
  dtype: 'call',
  itemSize: 'call',
  finfo: 'call',
  resolveDType: 'call',
  deviceCount: 'call',
  setDevice: 'call',
  currentDevice: 'call',
  synchronize: 'call',
  memoryInfo: 'call',
  peakMemory: 'call',
  resetPeakMemory: 'call',
  emptyCache: 'call',
  isPinMemoryAvailable: 'call',
  manualSeed: 'call',
  initProcessGroup: 'call',
  allReduce: 'call',
  allGather: 'call',
  broadcast: 'call',
  barrier: 'call',
  destroyProcessGroup: 'call',
}

/** True for a name that the contract gives a framework. */
export function isFrameworkMember(property: PropertyKey): property is keyof Framework {
  return Object.hasOwn(members, property)
}

/**
 * A member of `framework`, bound to it.
 * @throws NotSupportedError for a value of the contract that it lacks; a call that it lacks throws it when called.
 */
export function memberOf(framework: Framework, property: PropertyKey): unknown {
  const value: unknown = Reflect.get(framework, property)
  if (typeof value === 'function') return value.bind(framework)
  if (value !== undefined || !isFrameworkMember(property)) return value
  const error = new NotSupportedError(`The framework ${framework.name} has no ${property}.`, {
    details: { framework: framework.name, call: property },
  })
  if (members[property] === 'value') throw error
  return () => {
    throw error
  }
}

/** `framework` itself if it is whole; else one in whose place every missing call throws NotSupportedError. */
export function completeFramework(framework: Framework): Framework {
  const isWhole = Object.keys(members).every(name => framework[name as keyof Framework] !== undefined)
  return isWhole ? framework : new Proxy(framework, { get: memberOf })
}
