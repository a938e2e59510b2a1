// A Worker that computes for another one: an instance of the same module over the same memory.

import { type Glue, instantiateGlue, type WasmMemory, type WasmSource } from './glue.js'
import { importBuilds } from './import-builds.js'

/** What kernels need, and no more: every thread has a stack in the shared memory. */
const STACK_BYTES = 2 << 20

/**
 * Makes this Worker a thread of the module that runs over `memory` in another Worker. It hears no messages any more after
 * `onReady`; whoever started it ends it. Rejects when it traps, after the other one has been told.
 */
export async function lendThread(module: WasmSource, memory: WasmMemory, onReady: () => void): Promise<void> {
  const { threads } = await importBuilds()
  const glue = (await threads.importGlue()) as Glue
  await instantiateGlue(glue, module, { memory, stackBytes: STACK_BYTES })
  onReady()
  try {
    glue.lendThread()
  } catch (error) {
    glue.threadFailed()
    throw error
  }
}
