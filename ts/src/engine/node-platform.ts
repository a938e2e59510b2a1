// The loop's runtime where that is Node, or what does as Node does.

import { availableParallelism } from 'node:os'
import { loadNative } from '../binding/node.js'
import { freeRendezvous } from '../executor/rendezvous.js'
import type { LoopPlatform } from './loop-platform.js'

export const nodePlatform: LoopPlatform = {
  loadNative,
  freeRendezvous,
  ownThread: false,
  parallelism: availableParallelism(),
  warn: message => process.emitWarning(message, 'QuireWarning'),
}
