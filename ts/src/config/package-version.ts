// The version of the package, in its code: a bundle has no manifest beside it.

/** As `package.json` has it; a test compares them. */
const VERSION = '0.1.0'

export function packageVersion(): string {
  return VERSION
}
