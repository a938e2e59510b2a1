// The build with relaxed SIMD, which Node 20 has behind a flag of V8.

import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import test from 'ava'
import { supportsRelaxedSimd } from '../../ts/src/binding/wasm/wasm-features.js'
import { declareQuantisedTests, declareRowTests, declareTokenTests, doorOf, testOf } from './golden-tokens.js'

/** Both run everywhere; only one is as fast as the CPU. */
const KERNELS = ['relaxed-simd', 'relaxed-words']

if (!supportsRelaxedSimd()) {
  setFlagsFromString('--experimental-wasm-relaxed-simd')
  // There the compiler for the first calls multiplies bytes wrongly.
  setFlagsFromString('--no-liftoff')
}
if (supportsRelaxedSimd()) {
  declareTokenTests('relaxed')
  declareRowTests('relaxed')
  declareQuantisedTests('relaxed', KERNELS)
  declareChoiceTest()
} else test.skip('relaxed SIMD: this engine has none', () => {})

function declareChoiceTest(): void {
  const best = bestKernels()
  if (best === undefined) test.skip('the kernels that suit the CPU are found out: engines differ on this one', () => {})
  else
    testOf('relaxed', 'the kernels that suit the CPU are found out', async t => {
      const { candle } = await doorOf('relaxed')
      const others = KERNELS.filter(name => name !== best)
      t.deepEqual(candle.cpuFacts().kernels, [best, ...others, 'scalar'])
    })
}

/** On ARM no instruction adds two products; of x86-64 only CPUs with AVX-VNNI have one that adds four, which not all engines use. */
function bestKernels(): string | undefined {
  if (process.arch === 'arm64') return 'relaxed-simd'
  if (process.arch !== 'x64' || process.platform !== 'linux') return undefined
  return readFileSync('/proc/cpuinfo', 'utf8').includes('avx_vnni') ? undefined : 'relaxed-words'
}
