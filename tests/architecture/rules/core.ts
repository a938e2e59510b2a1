// What makes the core a state machine over integers, and the loop around it the only one.

import { isCrateSource, type Rule, type SourceFile } from '../rule.js'
import { codeOf, findings, withoutTests } from '../source-text.js'

const FORBIDDEN_IN_CORE =
  /\bf32\b|\bf64\b|\b\d+\.\d+(?:_?f(?:32|64))?\b|\bInstant\b|\bSystemTime\b|\brand::|\bgetrandom\b|\bstd::(?:fs|net|thread|time|process|env|io)\b/g

export const coreIsIntegers: Rule = {
  name: 'the core has no floats, clock, randomness, threads, files or sockets',
  applies: path => path.startsWith('crates/core/src/'),
  violations: ({ text }) => findings(codeOf(withoutTests(text), 'blank'), FORBIDDEN_IN_CORE, match => match[0]),
  caught: [
    core('fn share(a: u32) -> f32 { a as f32 }'),
    core('let half = total * 0.5;'),
    core('use std::time::Instant;'),
    core('std::thread::spawn(|| {});'),
    core('let key = rand::random();'),
    core('use std::fs::File;'),
  ],
  passes: [
    core('/// As f32 bits.\npub temperature_bits: u32,'),
    core('let range = 0..10; let x = pair.0;'),
    core('fn a() {}\n\n#[cfg(test)]\nmod tests {\n    use std::time::Instant;\n}'),
  ],
}

export const noPhases: Rule = {
  name: 'the core knows no prefill and no decode',
  applies: path => path.startsWith('crates/core/'),
  violations: ({ text }) => findings(text, /\bis_(?:prefill|decode)\b/g, match => match[0]),
  caught: [core('if sequence.is_prefill() {}')],
  passes: [core('let chunk = num_tokens - num_computed_tokens;')],
}

const LOOP = 'ts/src/engine/engine-loop.ts'

export const oneLoop: Rule = {
  name: `only ${LOOP} calls schedule()`,
  applies: path =>
    (path.startsWith('ts/src/') || path.startsWith('plugins/') || isCrateSource(path)) &&
    path !== LOOP &&
    // The core is what is called; the door and the binding hand the call on.
    !/^crates\/(?:core|node|wasm)\/|^ts\/src\/binding\//.test(path),
  violations: ({ text }) => findings(codeOf(text, 'blank'), /\.schedule\s*\(/g, match => match[0]),
  caught: [
    { path: 'ts/src/llm.ts', text: 'core.schedule(batch)' },
    { path: 'plugins/torch/src/runner.ts', text: 'this.core.schedule (batch)' },
    { path: 'crates/runner/src/runner.rs', text: 'core.schedule(&mut batch);' },
  ],
  passes: [{ path: 'ts/src/llm.ts', text: '// the loop calls core.schedule(batch)\nconst scheduler = 1' }],
}

/** Where every framework is the same: comments and all, but for the fields that checkpoints name after one. */
export const noFrameworkNames: Rule = {
  name: 'engine, executor, worker, configuration, server, core, sampler and text name no framework',
  applies: path =>
    /^(ts\/src\/(engine|executor|config|binding|server)|crates\/core|crates\/(sampler|text|kernels|node)\/src)\//.test(
      path,
    ),
  violations: ({ text }) =>
    findings(
      text,
      /candle|torch(?!_dtype\b)|mindspore|\bjax\b|numpy|tensorflow|paddle|onnx|\bmlx\b/gi,
      match => match[0],
    ),
  caught: [
    { path: 'ts/src/executor/worker.ts', text: "if (framework.name === 'torch') {}" },
    { path: 'ts/src/engine/engine-loop.ts', text: '// NumPy is slower' },
    { path: 'crates/text/src/lib.rs', text: 'use candle_core::Tensor;' },
    core('// as in PyTorch'),
  ],
  passes: [
    { path: 'ts/src/executor/worker.ts', text: 'await framework.copyToHost(a, b)' },
    { path: 'ts/src/config/model-files.ts', text: 'config.torch_dtype' },
    { path: 'crates/models/src/reference/backend.rs', text: 'use candle_core::Tensor;' },
  ],
}

function core(text: string): SourceFile {
  return { path: 'crates/core/src/scheduler.rs', text }
}
