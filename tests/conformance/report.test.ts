// What conformance tells: of what it left out, of what took too long, of plugins that cannot run here.

import test from 'ava'
import type { FrameworkPlugin } from 'quire-llm/plugin'
import { type CaseResult, conformance, formatReport } from 'quire-llm/testing'
import { plugin as soundPlugin } from '../fixtures/plugin-javascript/index.js'

const sound = soundPlugin as FrameworkPlugin

test('a plugin that is not available has every case skipped, with its reason', async t => {
  const probe = async () => ({ available: false, devices: [], reason: 'no such chip' })
  const report = await conformance({ ...sound, probe })
  t.is(report.numPassed + report.numFailed, 0)
  t.is(report.numSkipped, report.results.length)
  t.true(report.results.every(({ reason }) => reason === 'no such chip'))
  t.is(report.device, undefined)
})

test('a probe that throws is told of', async t => {
  const probe = () => Promise.reject(new Error('no driver'))
  const { results } = await conformance({ ...sound, probe })
  t.regex(results[0]?.reason ?? '', /probe\(\) threw: Error: no driver/)
})

test('groups, cases left out, and results as they come', async t => {
  const seen: CaseResult[] = []
  const report = await conformance(sound, {
    groups: ['devices'],
    skip: { 'a device that is not there is refused': 'tried elsewhere' },
    onResult: result => seen.push(result),
  })
  t.deepEqual(report.results, seen)
  t.deepEqual(formatReport(report).split('\n'), [
    `javascript ${process.version} on cpu:0: 2 passed, 0 failed, 1 skipped`,
    'devices',
    '  passed   the device that was opened is there and current: 1 of cpu',
    '  skipped  a device that is not there is refused: tried elsewhere',
    '  passed   synchronize ends, and seeds of 64 bits are taken',
  ])
})

test('a case that takes too long has failed, and the next one has a fresh framework', async t => {
  let numOpened = 0
  const open: FrameworkPlugin['open'] = async options => {
    const opened = await sound.open(options)
    numOpened += 1
    if (numOpened > 1) return opened
    const framework = new Proxy(opened.framework, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (name === 'synchronize') return () => new Promise(() => {})
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    return { ...opened, framework }
  }
  const { results } = await conformance({ ...sound, open }, { groups: ['memory'], caseTimeoutMs: 200 })
  const slow = results.find(({ status }) => status === 'failed')
  t.is(slow?.name, 'the peak holds what was allocated, and starts again')
  t.regex(slow?.error?.message ?? '', /did not end within 0\.2 s/)
  t.is(results.at(-1)?.status, 'passed')
  t.is(numOpened, 2)
})
