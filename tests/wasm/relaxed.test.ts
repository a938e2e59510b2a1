// The build with relaxed SIMD, which Node 20 has behind a flag of V8.

import { setFlagsFromString } from 'node:v8'
import test from 'ava'
import { supportsRelaxedSimd } from '../../ts/src/binding/wasm/wasm-features.js'
import { declareQuantisedTests, declareTokenTests } from './golden-tokens.js'

if (!supportsRelaxedSimd()) {
  setFlagsFromString('--experimental-wasm-relaxed-simd')
  // There the compiler for the first calls multiplies bytes wrongly.
  setFlagsFromString('--no-liftoff')
}
if (supportsRelaxedSimd()) {
  declareTokenTests('relaxed')
  declareQuantisedTests('relaxed')
} else test.skip('relaxed SIMD: this engine has none', () => {})
