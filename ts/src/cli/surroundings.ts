// What a command finds around it: the runtime, the app in whose folder it was called, the machine's accelerators.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Reach } from '../plugin/candidates.js'
import type { DeviceKind } from '../plugin/device.js'
import type { Machine } from '../plugin/python-environment.js'

/** `node 20.19.0`, `bun 1.2.0`, `deno 2.4.0`. */
export function runtimeName(versions: Readonly<Record<string, string | undefined>> = process.versions): string {
  const name = ['bun', 'deno', 'electron'].find(each => versions[each] !== undefined) ?? 'node'
  return `${name} ${versions[name]}`
}

/** The plugins of the app in the working directory. */
export function currentReach(): Reach {
  return { env: process.env, appDirectory: process.cwd() }
}

/** What the drivers of each kind of accelerator leave in the file system, on Linux. */
const driverFiles: readonly [DeviceKind, readonly string[]][] = [
  ['cuda', ['/dev/nvidiactl', '/dev/nvidia0', '/dev/dxg']],
  ['npu', ['/dev/davinci_manager', '/dev/davinci0']],
  ['tpu', ['/dev/accel0']],
]

/** @param exists whether a path is there */
export function currentMachine(
  { platform, arch, env }: Pick<NodeJS.Process, 'platform' | 'arch' | 'env'> = process,
  exists: (path: string) => boolean = existsSync,
): Machine {
  return { platform, arch, accelerators: accelerators() }

  function accelerators(): DeviceKind[] {
    if (platform === 'darwin') return arch === 'arm64' ? ['metal'] : []
    if (platform === 'win32') {
      return exists(join(env.SystemRoot ?? 'C:\\Windows', 'System32', 'nvcuda.dll')) ? ['cuda'] : []
    }
    return driverFiles.filter(([, paths]) => paths.some(exists)).map(([kind]) => kind)
  }
}
