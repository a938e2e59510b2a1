// Memory that two processes map: how a runner in another process gets a step's words and gives its logits.

/** A file of memory and the bytes of it here. The bytes stay as long as something refers to them. */
export interface SharedMemory {
  /** What the other process opens. */
  readonly path: string
  /** The memory, mapped here. */
  readonly bytes: ArrayBuffer
  /** Removes the name, once the other process has opened it: no file is left behind, whoever dies. */
  unlink(): Promise<void>
}
