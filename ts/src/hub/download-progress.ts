// How far a pull is: of each file and of all of them, with the rate of the last seconds and the time that is left.

/** What is going on. `resolve`: asking the hub; `wait`: another process downloads the file; `verify`: computing its checksum. */
export type PullPhase = 'resolve' | 'wait' | 'download' | 'verify' | 'done'

/** How far the download of a model is. */
export interface PullProgress {
  /** What is going on. */
  readonly phase: PullPhase
  /** The file that this is about; undefined for `resolve` and `done`. */
  readonly file: string | undefined
  /** Bytes of the file that are there, those of earlier calls included. */
  readonly loaded: number
  /** Bytes of the file. */
  readonly total: number
  /** The same of all files of the pull. */
  readonly allLoaded: number
  /** Bytes of all files of the pull. */
  readonly allTotal: number
  /** Files of the pull. */
  readonly numFiles: number
  /** Files that are in their places. */
  readonly numFilesDone: number
  /** Bytes a second, over the last seconds. */
  readonly rate: number
  /** Seconds until everything is there; undefined while nobody can tell. */
  readonly eta: number | undefined
}

const TELL_EVERY_MS = 100
const WINDOW_MS = 5000

export class DownloadProgress {
  readonly #tell: (progress: PullProgress) => void
  readonly #now: () => number
  readonly #loaded = new Map<string, number>()
  readonly #totals = new Map<string, number>()
  readonly #done = new Set<string>()
  /** Bytes that came over the network, at moments of the window. */
  #samples: { readonly at: number; readonly bytes: number }[] = []
  #received = 0
  #toldAt = Number.NEGATIVE_INFINITY

  /** `now` gives milliseconds. */
  constructor(tell: (progress: PullProgress) => void, now: () => number) {
    this.#tell = tell
    this.#now = now
  }

  resolving(): void {
    this.#say('resolve', undefined)
  }

  /** A file of which `loaded` bytes were there before. */
  expect(file: string, total: number, loaded: number): void {
    this.#totals.set(file, total)
    this.#loaded.set(file, loaded)
  }

  waiting(file: string): void {
    this.#say('wait', file)
  }

  /** More bytes came. */
  received(file: string, bytes: number): void {
    this.#received += bytes
    this.#loaded.set(file, (this.#loaded.get(file) ?? 0) + bytes)
    if (this.#now() - this.#toldAt >= TELL_EVERY_MS) this.#say('download', file)
  }

  /** What was there of a file counts anew. */
  restart(file: string, loaded: number): void {
    this.#loaded.set(file, loaded)
    this.#say('download', file)
  }

  verifying(file: string): void {
    this.#say('verify', file)
  }

  fileDone(file: string): void {
    this.#loaded.set(file, this.#totals.get(file) ?? 0)
    this.#done.add(file)
    this.#say('download', file)
  }

  done(): void {
    this.#say('done', undefined)
  }

  #say(phase: PullPhase, file: string | undefined): void {
    const now = this.#now()
    this.#toldAt = now
    const allLoaded = sum(this.#loaded)
    const allTotal = sum(this.#totals)
    const rate = this.#rate(now)
    this.#tell({
      phase,
      file,
      loaded: file === undefined ? allLoaded : (this.#loaded.get(file) ?? 0),
      total: file === undefined ? allTotal : (this.#totals.get(file) ?? 0),
      allLoaded,
      allTotal,
      numFiles: this.#totals.size,
      numFilesDone: this.#done.size,
      rate,
      eta:
        allLoaded >= allTotal
          ? phase === 'done'
            ? 0
            : undefined
          : rate > 0
            ? (allTotal - allLoaded) / rate
            : undefined,
    })
  }

  #rate(now: number): number {
    this.#samples.push({ at: now, bytes: this.#received })
    this.#samples = this.#samples.filter(({ at }) => now - at <= WINDOW_MS)
    const [first] = this.#samples
    if (first === undefined || now - first.at < 1) return 0
    return ((this.#received - first.bytes) / (now - first.at)) * 1000
  }
}

function sum(values: ReadonlyMap<string, number>): number {
  let total = 0
  for (const value of values.values()) total += value
  return total
}
