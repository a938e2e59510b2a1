// Counts what `pytest -q -rsfE` prints, run by run, and checks that are one test each.

export class PytestTally {
  passed = 0
  failed = 0
  skipped = 0
  skippedTests = []
  failedTests = []
  #suite = ''
  #failedBefore = 0

  /** A suite that cannot run here. */
  skip(reason) {
    this.skipped += 1
    this.skippedTests.push(reason)
  }

  /** A tool that passes or fails as a whole. */
  check(name, code) {
    if (code === 0) this.passed += 1
    else this.#fail(`${name} (exit code ${code})`)
  }

  begin(suite) {
    this.#suite = suite
    this.#failedBefore = this.failed
  }

  /** @param {string} line of stdout or stderr */
  line(line) {
    const skip = /^SKIPPED \[(\d+)\] (.+)$/.exec(line)
    if (skip) {
      this.skippedTests.push(`${this.#suite}: ${skip[2]}${skip[1] === '1' ? '' : ` (${skip[1]} tests)`}`)
      this.skipped += Number(skip[1])
      return
    }
    const failure = /^(?:FAILED|ERROR) (\S+.*)$/.exec(line)
    if (failure) {
      this.#fail(`${this.#suite}: ${failure[1]}`)
      return
    }
    const ended = /^(?:=+ )?(\d+ \w+(?:, \d+ \w+)*) in [\d.]+s\b/.exec(line)?.[1] ?? ''
    this.passed += Number(/(\d+) passed/.exec(ended)?.[1] ?? 0)
  }

  /** @param {number} code of pytest. Without a failed test, a failure is of its configuration, or of a process that died. */
  end(code) {
    if (code !== 0 && this.failed === this.#failedBefore) this.#fail(`${this.#suite}: pytest exited with code ${code}`)
  }

  #fail(name) {
    this.failed += 1
    this.failedTests.push(name)
  }
}
