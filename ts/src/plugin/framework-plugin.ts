// What a plugin package exports: who it is, whether it can run here, and how to open it.

import type { Device } from './device.js'
import type { Framework } from './framework.js'
import type { ModelRunner, RunnerCapabilities, Target } from './model-runner.js'
import type { PythonEnvironment } from './python-environment.js'
import type { SharedMemory } from './shared-memory.js'

/** Version of this contract. A plugin states the one that it was written for. */
export const SPEC_VERSION = 1

/** What a plugin finds where it is asked whether it can run. */
export interface Probe {
  /** Whether `open` will find what it needs. */
  readonly available: boolean
  /** Version of the framework, where it is available. */
  readonly version?: string
  /** Devices that can be asked for, the preferred one first; none where it is not available. */
  readonly devices: readonly Device[]
  /** What its runners can do here; present where it is available. */
  readonly capabilities?: RunnerCapabilities
  /** Why it is not available; or a note on what was found. */
  readonly reason?: string
  /** What a person may want to know: CPU features found, kernels chosen, driver versions. */
  readonly facts?: Readonly<Record<string, string>>
}

/** What a plugin is given when it is opened. */
export interface OpenOptions {
  /** The device asked for; absent = the plugin's first. */
  readonly device?: Device
  /** The environment, as an argument: a plugin reads its variables from here. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Memory to share with another process. @throws OutOfMemoryError, NotSupportedError. */
  shareMemory?(byteLength: number): SharedMemory
  /** Present where several ranks run one model. */
  readonly group?: RankGroup
}

/** One rank among those that run a model together. */
export interface RankGroup {
  /** This rank, from 0. */
  readonly rank: number
  /** Number of ranks. */
  readonly worldSize: number
  /** `tcp://host:port`, free when the ranks start. */
  readonly rendezvous: string
}

/** An opened framework: the adapter of this rank, and a way to make runners on it. */
export interface OpenedFramework {
  /** The adapter of this rank. */
  readonly framework: Framework
  /** A runner without a model yet. @throws NotSupportedError for a target that the framework does not have. */
  createRunner(target: Target): Promise<ModelRunner>
  /** Frees what `open` made: processes, devices. Runners are closed before. */
  close(): Promise<void>
}

/** What a plugin package exports by the name `plugin`, or by default. */
export interface FrameworkPlugin {
  /** Version of the contract that it was written for. */
  readonly specVersion: typeof SPEC_VERSION
  /** What users call the framework: lower-case letters, digits and `-`. */
  readonly name: string
  /** Among installed plugins the highest wins; the embedded default, 0, comes after them all. */
  readonly priority: number
  /** What `npx quire setup` makes for it; absent = nothing. */
  readonly pythonEnvironment?: PythonEnvironment
  /** Cheap: imports nothing heavy, never throws. */
  probe(): Promise<Probe>
  /**
   * Asked before a model's weights are fetched: the text of its config.json, and what to call that. Absent: a model that cannot
   * be run is found out when it is loaded. @throws ModelError if none of its runners can run such a model.
   */
  checkConfig?(text: string, label: string): Promise<void>
  /** Opens the framework on one rank. @throws NoFrameworkError if it is not there after all. */
  open(options: OpenOptions): Promise<OpenedFramework>
}
