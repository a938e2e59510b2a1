// Memory of Rust is never memory of JavaScript: Electron forbids such buffers, and every runtime pays for them when it collects.

import { isCrateSource, type Rule, type SourceFile } from '../rule.js'
import { codeOf, findings } from '../source-text.js'

/** What a worker's process maps too: it gives an error where a runtime forbids it. */
const SHARED = 'crates/node/src/shared_memory.rs'

const ARRAYS = '(?:ArrayBuffer|Buffer|(?:Uint|Int|Float|BigInt|BigUint)\\d+(?:Clamped)?Array)(?:Slice)?|BufferSlice'
/** napi-rs hands over what a vector owned, when one of these is made of it or returned. */
const MAKES = new RegExp(
  `\\b(?:\\w*create_external_\\w*buffer|(?:${ARRAYS})(?:::<[^>]*>)?::(?:from|new|from_data|from_external)\\b)`,
  'g',
)
const RETURNS = new RegExp(`->[^{;]*\\b(?:${ARRAYS})\\b`, 'g')

export const noExternalBuffers: Rule = {
  name: `no crate makes a buffer of JavaScript from memory of its own, but for ${SHARED}`,
  applies: path => isCrateSource(path) && /^crates\/(?:node|candle-node)\//.test(path) && path !== SHARED,
  violations: ({ text }) => {
    const code = codeOf(text, 'blank')
    return [
      ...findings(code, MAKES, match => `${match[0]}: let JavaScript allocate, and fill it`),
      ...findings(
        code,
        RETURNS,
        match => `returns an array (${match[0].replace(/\s+/g, ' ')}): let JavaScript allocate, and fill it`,
      ),
    ]
  },
  caught: [
    rust('fn bytes() -> Buffer { Buffer::from(vec) }'),
    rust('fn ids(&self) -> Outcome<Int32Array> { todo() }'),
    rust('async fn ids(&self)\n    -> Result<Vec<Float32Array>>\n{ todo() }'),
    rust('let buffer = unsafe { ArrayBuffer::from_external(env, start, length, kept, drop) };'),
    rust('let slice = BufferSlice::from_data(env, vec);'),
    rust('sys::napi_create_external_arraybuffer(env, data, length, None, hint, &mut value)'),
  ],
  passes: [
    rust('pub fn execute(&self, words: Buffer, logits: Buffer) -> AsyncTask<Step> {}'),
    rust('use napi::bindgen_prelude::Buffer; // Buffer::from is forbidden'),
    rust('pub fn schedule(&mut self, words: BufferSlice) -> Outcome<u32> {}'),
    { path: SHARED, text: 'fn bytes(&self) -> ArrayBuffer { ArrayBuffer::from_external(env) }' },
  ],
}

function rust(text: string): SourceFile {
  return { path: 'crates/node/src/a.rs', text }
}
