// What a plugin over Python wants installed, and where `npx quire setup` puts it. Nothing here runs a command.

import { homedir } from 'node:os'
import { join } from 'node:path'
import type { DeviceKind } from './device.js'

/** What decides which builds of a package suit a machine. */
export interface Machine {
  /** As `process.platform` says it. */
  readonly platform: NodeJS.Platform
  /** As `process.arch` says it. */
  readonly arch: string
  /** Kinds of accelerator that the machine has; empty = the CPU alone. */
  readonly accelerators: readonly DeviceKind[]
}

/** One run of the installer. */
export interface PythonInstall {
  /** A requirements file in the plugin's own package. */
  readonly requirements: URL
  /** Further arguments that pip and uv both know, such as the index that has builds for the CPU alone. */
  readonly arguments?: readonly string[]
}

/** The virtual environment that `npx quire setup <plugin>` makes. */
export interface PythonEnvironment {
  /** Releases of Python that the requirements have builds for: from `atLeast`, before `below`. */
  readonly python: { readonly atLeast: string; readonly below: string }
  /** What to install, in order. Installing twice must do no harm: a setup that was cut off is run again. */
  installs(machine: Machine): readonly PythonInstall[]
}

/** A virtual environment that `npx quire setup` makes, or has made. */
export interface ManagedEnvironment {
  /** Its top folder. */
  readonly folder: string
  /** Its interpreter. */
  readonly python: string
}

/** Where the environment of the plugin `name` is: in `QUIRE_HOME`, else in the user's folder for data. */
export function managedEnvironment(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform = process.platform,
): ManagedEnvironment {
  const data = env.XDG_DATA_HOME || join(env.HOME || homedir(), '.local', 'share')
  const folder = join(env.QUIRE_HOME || join(data, 'quire'), 'python', name)
  return {
    folder,
    python: platform === 'win32' ? join(folder, 'Scripts', 'python.exe') : join(folder, 'bin', 'python'),
  }
}
