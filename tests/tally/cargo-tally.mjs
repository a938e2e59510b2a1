// Counts what `cargo test -- --show-output` prints. A test that cannot run on this machine prints
// `SKIPPED <test name>: <reason>` and returns; it counts as skipped, not as passed.

export class CargoTally {
  passed = 0
  failed = 0
  skipped = 0
  skippedTests = []
  failedTests = []
  /** Tests of the running binary that ended `ok`, by their full path. */
  #ok = new Set()
  #skips = new Map()

  /** @param {string} line of stdout or stderr */
  line(line) {
    const ended = /^test (\S.*?) \.\.\. (ok|FAILED|ignored)(?:, (.*))?$/.exec(line)
    if (ended) return this.#testEnded(ended[1], ended[2], ended[3])
    const skip = /^SKIPPED ([^:]+(?:::[^:]+)*): (.+)$/.exec(line)
    if (skip) this.#skips.set(`${skip[1]}: ${skip[2]}`, skip[1])
    const result = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;/.exec(line)
    if (result) this.#binaryEnded(result.slice(1, 4).map(Number))
  }

  /** @param {number} code of cargo. Without a failed test, a failure is of the build or of a binary that died. */
  finish(code) {
    if (code !== 0 && this.failed === 0) {
      this.failed = 1
      this.failedTests.push(`cargo exited with code ${code} before its tests had ended`)
    }
    return this
  }

  #testEnded(name, outcome, reason) {
    if (outcome === 'ok') this.#ok.add(name)
    if (outcome === 'FAILED') this.failedTests.push(name)
    if (outcome === 'ignored') this.skippedTests.push(`${name}: ${reason ?? 'ignored, no reason given'}`)
  }

  /** A skip names a whole test, which then has not passed, or a row of one, which counts beside it. */
  #binaryEnded([passed, failed, ignored]) {
    const whole = new Set()
    for (const [text, name] of this.#skips) {
      this.skippedTests.push(text)
      const test = [...this.#ok].find(path => path === name || path.endsWith(`::${name}`))
      if (test) whole.add(test)
    }
    this.passed += passed - whole.size
    this.failed += failed
    this.skipped += ignored + this.#skips.size
    this.#ok.clear()
    this.#skips.clear()
  }
}
