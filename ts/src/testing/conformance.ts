// Runs every case against a plugin, one after the other. A case that fails takes its framework with it, so that the next one
// begins with a fresh one.

import type { Device } from '../plugin/device.js'
import type { DTypeName } from '../plugin/dtype.js'
import type { FrameworkPlugin, OpenOptions } from '../plugin/framework-plugin.js'
import { batchCases } from './cases/batch-cases.js'
import { cacheUseCases } from './cases/cache-use-cases.js'
import { collectiveCases } from './cases/collective-cases.js'
import { deviceCases } from './cases/device-cases.js'
import { dtypeCases } from './cases/dtype-cases.js'
import { embeddingCases } from './cases/embedding-cases.js'
import { errorCases } from './cases/error-cases.js'
import { goldenCases } from './cases/golden-cases.js'
import { greedyCases } from './cases/greedy-cases.js'
import { kvCacheCases } from './cases/kv-cache-cases.js'
import { memoryCases } from './cases/memory-cases.js'
import { modelCases } from './cases/model-cases.js'
import { pluginCases } from './cases/plugin-cases.js'
import { samplingCases } from './cases/sampling-cases.js'
import { tensorCases } from './cases/tensor-cases.js'
import { viewCases } from './cases/view-cases.js'
import { type CaseGroup, CaseSkipped, type ConformanceCase } from './conformance-case.js'
import type { CaseResult, ConformanceReport } from './conformance-report.js'
import { withinTime } from './expectations.js'
import { type GoldenModel, readGoldenModel } from './golden-model.js'
import { PluginSubject } from './plugin-subject.js'

/** What is tried, and where. */
export interface ConformanceOptions {
  /** Absent = the plugin's first. */
  readonly device?: Device
  /** What the plugin gets as its environment. Default `process.env`. */
  readonly env?: OpenOptions['env']
  /** Anything else that `open` shall get. */
  readonly open?: Partial<OpenOptions>
  /** Compute threads on a CPU device. */
  readonly threads?: number
  /** Run without compiling. */
  readonly eager?: boolean
  /** Checkpoints with the tokens that greedy sampling must give; a path is a directory with a golden.json. Default none. */
  readonly models?: readonly (GoldenModel | string)[]
  /** Ranks that collectives and a sharded model are tried with, beside one. Default 1: they are not. */
  readonly worldSize?: number
  /** Largest error of a logit, as a share of the largest logit, by the type computed in. */
  readonly tolerance?: Readonly<Partial<Record<DTypeName, number>>>
  /** Groups to run. Default all. */
  readonly groups?: readonly CaseGroup[]
  /** Cases to leave out, by name, with the reason. */
  readonly skip?: Readonly<Record<string, string>>
  /** A case that takes longer has failed. Default five minutes. */
  readonly caseTimeoutMs?: number
  /** Called when a case has ended. */
  readonly onResult?: (result: CaseResult) => void
}

const CASE_TIMEOUT_MS = 300_000

/**
 * Tries a plugin against the contract of `quire-llm/plugin`. It never throws for what the plugin does: that is in the report.
 * A plugin that is not available here has every case skipped, with its reason.
 */
export async function conformance(
  plugin: FrameworkPlugin,
  options: ConformanceOptions = {},
): Promise<ConformanceReport> {
  const subject = await PluginSubject.create(plugin, options)
  const results: CaseResult[] = []
  try {
    for (const one of await casesFor(options)) {
      const result = await runCase(one, subject, options)
      results.push(result)
      options.onResult?.(result)
      if (result.status === 'failed') await subject.closeFramework()
    }
  } finally {
    await subject.close()
  }
  const count = (status: CaseResult['status']): number => results.filter(result => result.status === status).length
  return {
    plugin: plugin.name,
    ...(subject.probe.version !== undefined && { version: subject.probe.version }),
    ...(subject.probe.available && { device: subject.device }),
    results,
    numPassed: count('passed'),
    numFailed: count('failed'),
    numSkipped: count('skipped'),
  }
}

async function casesFor({ groups, models = [] }: ConformanceOptions): Promise<ConformanceCase[]> {
  const golden = await Promise.all(models.map(model => (typeof model === 'string' ? readGoldenModel(model) : model)))
  const cases = [
    ...pluginCases,
    ...tensorCases,
    ...viewCases,
    ...dtypeCases,
    ...deviceCases,
    ...memoryCases,
    ...kvCacheCases,
    ...modelCases,
    ...batchCases,
    ...cacheUseCases,
    ...greedyCases,
    ...samplingCases,
    ...embeddingCases,
    ...errorCases,
    ...collectiveCases,
    ...goldenCases(golden),
  ]
  return groups === undefined ? cases : cases.filter(({ group }) => groups.includes(group))
}

async function runCase(one: ConformanceCase, subject: PluginSubject, options: ConformanceOptions): Promise<CaseResult> {
  const { name, group } = one
  const leftOut = subject.unavailable ?? options.skip?.[name]
  if (leftOut !== undefined) return { name, group, status: 'skipped', reason: leftOut }
  try {
    const note = await withinTime(one.run(subject), options.caseTimeoutMs ?? CASE_TIMEOUT_MS, 'the case')
    return { name, group, status: 'passed', ...(note !== undefined && { note }) }
  } catch (error) {
    if (error instanceof CaseSkipped) return { name, group, status: 'skipped', reason: error.message }
    return { name, group, status: 'failed', error: error instanceof Error ? error : new Error(String(error)) }
  }
}
