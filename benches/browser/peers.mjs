// What the peers are and need: their packages from npm, pinned, and the models in their formats. All of it goes into a cache, and
// what cannot be had is left out with a reason.

import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const PACKAGES = ['@wllama/wllama@3.8.1', '@huggingface/transformers@4.3.1']
const PYTHON_PACKAGES = ['gguf==0.19.0', 'numpy<3']
const ONNX_PACKAGES = ['onnxruntime-genai==0.18.0', 'onnx==1.19.1', 'onnx-ir']

export const versions = Object.fromEntries(
  PACKAGES.map(name => [
    name.slice(name.indexOf('/') + 1, name.lastIndexOf('@')),
    name.slice(name.lastIndexOf('@') + 1),
  ]),
)

/** Runs a program; what it prints goes to stderr. */
function run(command, args, environment = {}) {
  execFileSync(command, args, { stdio: ['ignore', 2, 2], env: { ...process.env, ...environment } })
}

/** Installs the packages. @returns the folder of them. */
export function installPackages(cache) {
  const folder = join(cache, 'npm')
  mkdirSync(folder, { recursive: true })
  if (!PACKAGES.every(name => existsSync(join(folder, 'node_modules', name.slice(0, name.lastIndexOf('@')))))) {
    writeFileSync(join(folder, 'package.json'), '{"private":true}')
    run('npm', ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', ...PACKAGES])
  }
  return join(folder, 'node_modules')
}

/** A model as GGUF in float16, the float that llama.cpp is made for, in the cache's folder `gguf`. */
export function makeGguf({ cache, here, model }) {
  const target = join(cache, 'gguf', `${model.name}.gguf`)
  if (existsSync(target)) return
  mkdirSync(join(cache, 'gguf'), { recursive: true })
  if (model.gguf !== undefined) {
    copyFileSync(model.gguf, target)
    return
  }
  const python = makePython(join(cache, 'gguf-export'), PYTHON_PACKAGES)
  run(python, [join(here, '../peers/write-gguf.py'), model.ggufMetadata, model.path, target, '--type', 'f16'])
}

/**
 * A model as ONNX in float32, as onnxruntime's own builder makes it: attention, rotation and norms are one operation each. In the
 * cache's folder `onnx`.
 * @throws Error where there is no PyTorch.
 */
export function makeOnnx({ cache, here, model, torch }) {
  const target = join(cache, 'onnx', model.name)
  if (existsSync(join(target, 'onnx/model.onnx'))) return
  if (!existsSync(torch)) throw new Error(`the export wants PyTorch in ${torch}, which npm run test:frameworks brings`)
  const python = makePython(join(cache, 'onnx-export'), ONNX_PACKAGES)
  run(python, [join(here, 'export-onnx.py'), model.path, target], { PYTHONPATH: torch })
}

function makePython(folder, packages) {
  const python = join(folder, 'bin/python')
  if (!existsSync(join(folder, 'complete'))) {
    run('python3', ['-m', 'venv', folder])
    run(python, ['-m', 'pip', 'install', '-q', ...packages])
    writeFileSync(join(folder, 'complete'), '')
  }
  return python
}
