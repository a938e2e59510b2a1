// Unsafe lives in one room and one function.

import type { Rule, SourceFile } from '../rule.js'
import { codeOf, findings } from '../source-text.js'

/** One file each that maps memory: read-only weights, and what is shared with a worker's process. */
const MAPPINGS = ['crates/weights/src/mapped_file.rs', 'crates/node/src/shared_memory.rs']
const MMAP = MAPPINGS[0] as string
const UNSAFE = /\bunsafe\b(?=\s*(?:\{|fn\b|impl\b|trait\b|extern\b))/g

/** Files that are never shipped and cannot do without, each with the reason. */
const NOT_SHIPPED: Readonly<Record<string, string>> = {
  'crates/core/tests/allocations.rs': 'an allocator that counts is an unsafe trait',
}

export const unsafeInKernels: Rule = {
  name: `unsafe lives in crates/kernels and once each in ${MAPPINGS.join(' and ')}`,
  applies: path => path.endsWith('.rs') && !path.startsWith('crates/kernels/') && NOT_SHIPPED[path] === undefined,
  violations: ({ path, text }) => {
    const found = findings(codeOf(text, 'blank'), UNSAFE, () => 'unsafe')
    return MAPPINGS.includes(path) ? found.slice(1) : found
  },
  caught: [
    rust('crates/core/src/block.rs', 'unsafe { *pointer }'),
    rust('crates/runner/tests/a.rs', 'unsafe impl Send for A {}'),
    rust(MMAP, 'fn a() { unsafe { x() } }\nfn b() { unsafe { y() } }'),
  ],
  passes: [
    rust(MMAP, 'fn a() { unsafe { x() } } // the only unsafe { } here'),
    rust('crates/core/src/lib.rs', '#![forbid(unsafe_code)]'),
  ],
}

const PURE = ['core', 'sampler', 'models', 'runner', 'text']

export const pureCratesForbidUnsafe: Rule = {
  name: `the crates ${PURE.join(', ')} forbid unsafe code`,
  applies: path => PURE.some(crate => path === `crates/${crate}/src/lib.rs`),
  violations: ({ text }) => (/^#!\[forbid\(unsafe_code\)\]/m.test(text) ? [] : ['#![forbid(unsafe_code)] is missing']),
  caught: [rust('crates/core/src/lib.rs', '//! The core.\nmod block;')],
  passes: [rust('crates/core/src/lib.rs', '//! The core.\n#![forbid(unsafe_code)]')],
}

/** Inner loops that only make sense under the function that prepares their panels: where their comparing tests stand. */
const TESTED_ELSEWHERE: Readonly<Record<string, string>> = {
  'crates/kernels/src/element_tiles.rs':
    'matmul.rs compares every instruction set with the scalar one over random shapes',
  'crates/kernels/src/paged_attention/tile_kernels.rs': 'the tests of paged_attention do',
  'crates/kernels/src/int8/tables.rs': 'int8/tests.rs compares every way of multiplying bytes with the scalar one',
  'crates/kernels/src/quantised/tables.rs':
    'quantised/tests.rs compares every way of multiplying bytes with the scalar one',
}

/**
 * A kernel is written once over an abstract vector and compiled for every instruction set beside its scalar twin, or it is
 * written for one instruction set and its twin stands in the same file. Its test compares both on random lengths.
 */
export const kernelsHaveTwins: Rule = {
  name: 'a file with code for one instruction set has a scalar twin and a test that compares them',
  applies: path => path.startsWith('crates/kernels/src/') && !isVocabulary(path),
  violations: ({ path, text }) => {
    const code = codeOf(text, 'blank')
    if (!/#\[target_feature|\bper_isa!/.test(code)) return []
    const twin = /\bper_isa!|scalar/i.test(code)
    const tested = /#\[cfg\(test\)\]/.test(code) || TESTED_ELSEWHERE[path] !== undefined
    return [...(twin ? [] : ['no scalar twin']), ...(tested ? [] : ['no test'])]
  },
  caught: [
    rust('crates/kernels/src/dot.rs', '#[target_feature(enable = "avx2")]\nfn dot_avx2() {}'),
    rust('crates/kernels/src/dot.rs', '#[target_feature(enable = "avx2")]\nfn dot_avx2() {}\nfn dot_scalar() {}'),
  ],
  passes: [
    rust(
      'crates/kernels/src/dot.rs',
      '#[target_feature(enable = "avx2")]\nfn dot_avx2() {}\nfn dot_scalar() {}\n#[cfg(test)]\nmod tests { proptest! {} }',
    ),
    rust('crates/kernels/src/isa.rs', 'pub enum Isa { Avx2, Scalar }'),
  ],
}

/**
 * The vector operations of each instruction set, and the macro that compiles a kernel for all of them: not kernels. Neither are
 * probes, whose results nobody uses.
 */
function isVocabulary(path: string): boolean {
  return /\/(?:lanes\/|sums\/|probes\/|per_isa\.rs)/.test(path)
}

function rust(path: string, text: string): SourceFile {
  return { path, text }
}
