// Counts what ava prints as TAP file by file, so that a file can be run once more and be counted anew.

import { TapTally } from './tap-tally.mjs'

/** What ava puts before the titles of a file's tests. */
const prefixOf = file =>
  `${file
    .replace(/^tests\//, '')
    .replace(/\.test\.ts$/, '')
    .split('/')
    .join(' › ')} › `

/** What ava says of a file in which an error was thrown outside of any test, after the error. */
const FILE_ENDED = /^(tests\/\S+\.test\.ts) exited /

export class AvaTally {
  /** Tests that failed at first and passed when their file ran alone. */
  unstableTests = []
  #files
  /** Errors that ava could not tell a file of; it names the file when that has ended. */
  #nameless = new TapTally()
  #current

  /** @param {readonly string[]} files all that ava was given, relative to the repository */
  constructor(files) {
    this.#files = new Map(files.map(file => [file, new TapTally()]))
    this.#current = this.#nameless
  }

  /** @param {string} line of stdout or stderr */
  line(line) {
    const [, outcome = '', title] = /^((?:not )?ok \d+ - )(.*)/.exec(line) ?? []
    if (title === undefined) return this.#current.line(line)
    // Titles of a file alone have no prefix.
    const [alone] = this.#files.size === 1 && !FILE_ENDED.test(title) ? this.#files.keys() : []
    const whole = alone === undefined ? title : prefixOf(alone) + title
    this.#current = this.#tallyOf(whole)
    this.#current.line(outcome + whole)
  }

  /**
   * @param {number} code of ava
   * @returns {string[]} files in which a test failed, or of which nothing was heard; none if something failed that is of no file.
   */
  failedFiles(code) {
    if (code === 0 || this.#nameless.failed > 0) return []
    return [...this.#files].filter(([, tally]) => tally.failed > 0 || isUnheard(tally)).map(([file]) => file)
  }

  /**
   * Puts a second run of a file in the place of the first.
   * @param {AvaTally} again of that file alone, finished
   */
  replace(file, again) {
    const first = this.#files.get(file)
    const [second] = again.#files.values()
    this.#files.set(file, second)
    const failed = isUnheard(first) ? [file] : first.failedTests
    this.unstableTests.push(...failed.filter(title => !second.failedTests.includes(title)))
  }

  /** @param {number} code of ava. What failed without a failed test is a file that could not be loaded. */
  finish(code) {
    for (const [file, tally] of this.#files) {
      if (code !== 0 && isUnheard(tally)) {
        tally.failed = 1
        tally.failedTests.push(`${file}: nothing was heard of its tests`)
      }
    }
    if (this.failed === 0) this.#nameless.finish(code)
    return this
  }

  get passed() {
    return this.#sum('passed')
  }

  get failed() {
    return this.#sum('failed')
  }

  get skipped() {
    return this.#sum('skipped')
  }

  get failedTests() {
    return this.#tallies().flatMap(tally => tally.failedTests)
  }

  get skippedTests() {
    return this.#tallies().flatMap(tally => tally.skippedTests)
  }

  #tallies() {
    return [...this.#files.values(), this.#nameless]
  }

  #sum(key) {
    return this.#tallies().reduce((sum, tally) => sum + tally[key], 0)
  }

  #tallyOf(title) {
    const ended = FILE_ENDED.exec(title)?.[1]
    if (this.#files.has(ended)) return this.#takeNameless(ended)
    const file = [...this.#files.keys()].find(path => title.startsWith(prefixOf(path)))
    return this.#files.get(file) ?? this.#nameless
  }

  /** An error outside of any test ends its file: what was said without a name is of the file that ends now. */
  #takeNameless(file) {
    const tally = this.#files.get(file)
    tally.failed += this.#nameless.failed
    tally.failedTests.push(...this.#nameless.failedTests)
    this.#nameless = new TapTally()
    return tally
  }
}

const isUnheard = ({ passed, failed, skipped }) => passed + failed + skipped === 0
