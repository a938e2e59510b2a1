// Counts what ava prints as TAP. A test says that it cannot run here with `test.skip`, its title giving the reason, or by
// logging `SKIPPED: <reason>` and passing; both count as skipped.

export class TapTally {
  passed = 0
  failed = 0
  skipped = 0
  skippedTests = []
  failedTests = []
  /** The title of the last test that passed: its log lines follow it. */
  #lastPassed

  /** @param {string} line of stdout or stderr */
  line(line) {
    const ended = /^(not )?ok \d+ - (.*?)( # (SKIP|TODO).*)?$/.exec(line)
    if (ended) return this.#testEnded(ended[1] !== undefined, ended[2], ended[4] !== undefined)
    const skip = /^\s*(?:#|\*|-)?\s*SKIPPED: (.+)$/.exec(line)
    if (skip && this.#lastPassed !== undefined) this.#skippedByItself(skip[1])
  }

  /** @param {number} code of ava. Without a failed test, a failure is of a file that could not be loaded. */
  finish(code) {
    if (code !== 0 && this.failed === 0) {
      this.failed = 1
      this.failedTests.push(`ava exited with code ${code} without a failed test`)
    }
    return this
  }

  #testEnded(failed, title, skipped) {
    this.#lastPassed = undefined
    if (skipped) {
      this.skipped += 1
      this.skippedTests.push(title)
    } else if (failed) {
      this.failed += 1
      this.failedTests.push(title)
    } else {
      this.passed += 1
      this.#lastPassed = title
    }
  }

  #skippedByItself(reason) {
    this.passed -= 1
    this.skipped += 1
    this.skippedTests.push(`${this.#lastPassed}: ${reason}`)
    this.#lastPassed = undefined
  }
}
