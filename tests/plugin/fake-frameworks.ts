// Plugins and frameworks of nothing but names, and apps on disk that list them: what selection and discovery are tried with.

import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Candidate } from '../../ts/src/plugin/candidates.js'
import type { Device, Framework, FrameworkPlugin, Probe } from '../../ts/src/plugin/index.js'
import { contiguousStrides, SPEC_VERSION } from '../../ts/src/plugin/index.js'

export const cpu: Device = { kind: 'cpu', index: 0 }
export const npu: Device = { kind: 'npu', index: 0 }

export interface FakeSpec {
  readonly name: string
  readonly priority?: number
  readonly kind?: Candidate['kind']
  readonly origin?: string
  readonly devices?: readonly Device[]
  readonly architectures?: readonly string[]
  readonly weightFormats?: readonly string[]
  /** Makes it unavailable. */
  readonly reason?: string
  readonly framework?: Partial<Framework>
  readonly onClose?: () => void
}

export function fakePlugin(spec: FakeSpec): FrameworkPlugin {
  const { name, priority = 10, devices = [cpu], architectures = ['LlamaForCausalLM'], weightFormats, reason } = spec
  const probe: Probe =
    reason === undefined
      ? {
          available: true,
          version: '1.0',
          devices,
          capabilities: {
            devices: ['cpu'],
            dtypes: ['float32'],
            architectures,
            quantizations: [],
            ...(weightFormats !== undefined && { weightFormats }),
            blockSizes: 'any',
            deviceSampling: false,
          },
        }
      : { available: false, devices: [], reason }
  return {
    specVersion: SPEC_VERSION,
    name,
    priority,
    probe: async () => probe,
    open: async () => ({
      framework: spec.framework === undefined ? namedFramework(name) : (spec.framework as Framework),
      createRunner: async () => {
        throw new Error('it has no runner')
      },
      close: async () => spec.onClose?.(),
    }),
  }
}

export function candidate(spec: FakeSpec & { readonly broken?: Candidate['broken'] }): Candidate {
  const { name, kind = 'installed', origin = `@quire-llm/${name}`, priority = 10, broken, reason } = spec
  const probe: Probe = { available: false, devices: [], ...(reason !== undefined && { reason }) }
  if (broken !== undefined) return { name, kind, origin, priority: Number.NEGATIVE_INFINITY, probe, broken }
  const plugin = fakePlugin(spec)
  let answer = probe
  plugin.probe().then(found => {
    answer = found
  })
  return {
    name,
    kind,
    origin,
    priority,
    plugin,
    get probe() {
      return answer
    },
  }
}

/** Tensors of shapes alone; the calls about pinned memory, seeds and groups are missing. */
export function namedFramework(name: string): Framework {
  let device = cpu
  const known: Partial<Framework> = {
    name,
    half: { name: 'float16', itemSize: 2 },
    float: { name: 'float32', itemSize: 4 },
    tensor: (data, { dtype, device: on }) => window([data.length], dtype, on),
    zeros: (shape, { dtype, device: on }) => window(shape, dtype, on),
    empty: (shape, { dtype, device: on }) => window(shape, dtype, on),
    itemSize: dtype => (dtype === 'float16' ? 2 : 4),
    setDevice: asked => {
      device = asked
    },
    currentDevice: () => device,
  }
  return known as Framework
}

function window(shape: readonly number[], dtype: 'float32' | string, device: Device) {
  return { shape, strides: contiguousStrides(shape), offset: 0, dtype: dtype as 'float32', device }
}

/** Writes files, by path, into a new folder. Objects become JSON. */
export async function writeFolder(files: Readonly<Record<string, string | object>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quire-app-'))
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  }
  return folder
}

/** The source of a plugin's module, which leaves a mark when it is executed. */
export function pluginModule(name: string, style: 'esm' | 'cjs' | 'esm default' = 'esm', priority = 10): string {
  const mark = `(globalThis.executedPlugins ??= []).push('${name}')\n`
  const body = `{ specVersion: 1, name: '${name}', priority: ${priority}, probe: async () => ({ available: true, devices: [{ kind: 'cpu', index: 0 }] }), open: async () => ({}) }`
  if (style === 'cjs')
    return `${mark}const plugin = ${body}\nmodule.exports = Object.fromEntries([['plugin', plugin]])\n`
  return style === 'esm' ? `${mark}export const plugin = ${body}\n` : `${mark}export default ${body}\n`
}

/** Names of the plugins whose code has run in this process. */
export function executedPlugins(): readonly string[] {
  return (globalThis as { executedPlugins?: string[] }).executedPlugins ?? []
}
