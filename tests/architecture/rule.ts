// What a rule of the house is: a function from a file's text to what is wrong with it, with samples that show it working.

export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  readonly path: string
  readonly text: string
}

export interface Rule {
  /** A sentence that holds for every file. */
  readonly name: string
  /** Which files it is about. */
  readonly applies: (path: string) => boolean
  /** What breaks the rule, each with enough words to find it. */
  readonly violations: (file: SourceFile) => readonly string[]
  /** Samples that must be reported. */
  readonly caught: readonly SourceFile[]
  /** Samples close to those that must not. */
  readonly passes: readonly SourceFile[]
}

/** Rust sources that are compiled into a crate, as against its tests and benches. */
export function isCrateSource(path: string): boolean {
  return /^crates\/[^/]+\/src\/.*\.rs$/.test(path)
}

/** TypeScript sources of the package and of the plugins. */
export function isPackageSource(path: string): boolean {
  return /^(ts|plugins\/[^/]+)\/src\/.*\.ts$/.test(path)
}
