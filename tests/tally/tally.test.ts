// What the counters make of the lines that the runners print.

import test from 'ava'
import { AvaTally } from './ava-tally.mjs'
import { CargoTally } from './cargo-tally.mjs'
import { PytestTally } from './pytest-tally.mjs'
import { TapTally } from './tap-tally.mjs'

interface Row {
  readonly name: string
  readonly tally: CargoTally | TapTally | PytestTally
  readonly lines: readonly string[]
  readonly code: number
  readonly expected: readonly [passed: number, failed: number, skipped: number]
  readonly skippedTests?: readonly string[]
}

const rows: readonly Row[] = [
  {
    name: 'cargo: two binaries add up',
    tally: new CargoTally(),
    lines: [
      'test a::one ... ok',
      'test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s',
      'test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s',
    ],
    code: 0,
    expected: [3, 0, 0],
  },
  {
    name: 'cargo: a test that skipped itself has not passed',
    tally: new CargoTally(),
    lines: [
      'test tests::golden ... ok',
      'test tests::other ... ok',
      '---- tests::golden stdout ----',
      'SKIPPED tests::golden: no models here: see README',
      'test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out',
    ],
    code: 0,
    expected: [1, 0, 1],
    skippedTests: ['tests::golden: no models here: see README'],
  },
  {
    name: 'cargo: a skipped row counts beside its test',
    tally: new CargoTally(),
    lines: [
      'test kernels ... ok',
      'SKIPPED avx512: this processor lacks it',
      'test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out',
    ],
    code: 0,
    expected: [1, 0, 1],
  },
  {
    name: 'cargo: ignored and failed',
    tally: new CargoTally(),
    lines: [
      'test slow ... ignored, takes an hour',
      'test broken ... FAILED',
      'test result: FAILED. 0 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out',
    ],
    code: 101,
    expected: [0, 1, 1],
    skippedTests: ['slow: takes an hour'],
  },
  { name: 'cargo: nothing compiled', tally: new CargoTally(), lines: ['error: oh'], code: 101, expected: [0, 1, 0] },
  {
    name: 'tap: passed, failed, skipped both ways',
    tally: new TapTally(),
    lines: [
      'ok 1 - adds',
      'ok 2 - needs a model',
      '    # SKIPPED: not fetched',
      'not ok 3 - breaks',
      'ok 4 - needs a GPU: none here # SKIP',
    ],
    code: 1,
    expected: [1, 1, 2],
    skippedTests: ['needs a model: not fetched', 'needs a GPU: none here'],
  },
  {
    name: 'pytest: passed, failed, skipped, a collection error',
    tally: new PytestTally(),
    lines: [
      '..s.F.                                             [100%]',
      'SKIPPED [2] tests/test_ranks.py:12: there is one device',
      'FAILED tests/test_golden.py::test_tokens[gpt2] - AssertionError: 12 passed in 3s',
      'ERROR tests/test_other.py - ImportError',
      '1 failed, 3 passed, 2 skipped, 1 error in 4.20s',
    ],
    code: 1,
    expected: [3, 2, 2],
    skippedTests: ['plugins/x: tests/test_ranks.py:12: there is one device (2 tests)'],
  },
  {
    name: 'pytest: all passed, with a border',
    tally: new PytestTally(),
    lines: ['======= 114 passed, 2 warnings in 64.02s (0:01:04) ======='],
    code: 0,
    expected: [114, 0, 0],
  },
  {
    name: 'pytest: nothing was collected',
    tally: new PytestTally(),
    lines: ['no tests ran in 0.01s'],
    code: 5,
    expected: [0, 1, 0],
  },
  { name: 'tap: a file that does not load', tally: new TapTally(), lines: ['ok 1 - a'], code: 1, expected: [1, 1, 0] },
]

for (const row of rows) {
  test(row.name, t => {
    const { tally } = row
    if (tally instanceof PytestTally) tally.begin('plugins/x')
    for (const line of row.lines) tally.line(line)
    if (tally instanceof PytestTally) tally.end(row.code)
    else tally.finish(row.code)
    const { passed, failed, skipped, skippedTests } = tally
    t.deepEqual([passed, failed, skipped], [...row.expected])
    if (row.skippedTests) t.deepEqual(skippedTests, [...row.skippedTests])
  })
}

const FILES = ['tests/hub/faults.test.ts', 'tests/hub/pull.test.ts', 'tests/cli/cli.test.ts']
const FIRST = [
  'ok 1 - hub › pull › one',
  'ok 2 - hub › faults › adds',
  'not ok 3 - hub › faults › breaks',
  'ok 4 - cli › cli › needs a model',
  '    # SKIPPED: not fetched',
]

function ran(files: readonly string[], lines: readonly string[], code: number) {
  const tally = new AvaTally(files)
  for (const line of lines) tally.line(line)
  return { tally, failed: tally.failedFiles(code) }
}

test('ava: a file that failed and passes alone is counted by its second run', t => {
  const { tally, failed } = ran(FILES, FIRST, 1)
  t.deepEqual(failed, ['tests/hub/faults.test.ts'])
  tally.replace(failed[0] as string, ran(failed, ['ok 1 - adds', 'ok 2 - breaks', 'ok 3 - more'], 0).tally.finish(0))
  const { passed, failed: numFailed, skipped, skippedTests, failedTests, unstableTests } = tally.finish(0)
  t.deepEqual([passed, numFailed, skipped], [4, 0, 1])
  t.deepEqual([failedTests, unstableTests], [[], ['hub › faults › breaks']])
  t.deepEqual(skippedTests, ['cli › cli › needs a model: not fetched'])
})

test('ava: what fails again is failed, under its whole title', t => {
  const { tally, failed } = ran(FILES, FIRST, 1)
  tally.replace(failed[0] as string, ran(failed, ['not ok 1 - adds', 'not ok 2 - breaks'], 1).tally.finish(1))
  const { passed, failed: numFailed, failedTests, unstableTests } = tally.finish(1)
  t.deepEqual([passed, numFailed], [1, 2])
  t.deepEqual([failedTests, unstableTests], [['hub › faults › adds', 'hub › faults › breaks'], []])
})

test('ava: an error outside of any test is of the file that ends with it', t => {
  const thrown = [
    'not ok 3 - Error: late',
    'ok 4 - cli › cli › one',
    `not ok 5 - ${FILES[1]} exited with a non-zero exit code: 1`,
  ]
  const { tally, failed } = ran(FILES, [...FIRST.slice(0, 2), ...thrown], 1)
  t.deepEqual(failed, ['tests/hub/pull.test.ts'])
  tally.replace(failed[0] as string, ran(failed, ['ok 1 - one'], 0).tally.finish(0))
  t.deepEqual([tally.finish(0).passed, tally.failed], [3, 0])
  t.deepEqual(tally.unstableTests, ['Error: late', `${FILES[1]} exited with a non-zero exit code: 1`])
})

test('ava: files of which nothing was heard have failed, and an error of no file is of nobody', t => {
  t.deepEqual(ran(FILES, FIRST.slice(0, 1), 1).failed, ['tests/hub/faults.test.ts', 'tests/cli/cli.test.ts'])
  t.is(ran(FILES, FIRST.slice(0, 1), 1).tally.finish(1).failed, 2)
  const nameless = ran(FILES, [...FIRST, 'not ok 6 - Error: of whom?'], 1)
  t.deepEqual(nameless.failed, [])
  t.is(nameless.tally.finish(1).failed, 2)
  t.is(ran([FILES[0] as string], [], 1).tally.finish(1).failed, 1)
})
