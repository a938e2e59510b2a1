// Which target cargo builds for. The napi CLI always names one; cargo shares what it built only between calls that name the
// same, so every cargo call of ours names it too.
import { outputOf } from './execute.mjs'
import { StepError } from './step-error.mjs'

/** @returns {Promise<string[]>} cargo's flags for this machine. @throws {StepError} rustc does not say what machine this is. */
export async function targetFlags() {
  const triple = /^host: (\S+)$/m.exec((await outputOf('rustc', ['-vV'])) ?? '')?.[1]
  if (triple === undefined) throw new StepError('rustc -vV does not name its host: is Rust installed completely?')
  return ['--target', triple]
}
