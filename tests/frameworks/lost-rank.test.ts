// Two ranks, one of which is killed in the middle of a step: the request fails with a typed error, no process is left.

import test from 'ava'
import { LLM } from 'quire-llm'
import { MarkedProcesses } from '../wire/marked-processes.js'
import { pythonFrameworks } from './python-frameworks.js'

for (const { name: framework, reason } of pythonFrameworks) {
  if (reason !== undefined) {
    test.skip(`${framework}: ${reason}`, () => {})
    continue
  }
  test.serial(`${framework}: a rank that is killed ends the group`, async t => {
    const processes = new MarkedProcesses()
    Object.assign(process.env, processes.env) // of this file's worker thread alone
    const options = { maxModelLen: 512, maxNumSeqs: 2, maxNumBatchedTokens: 64, threads: 1, loadTokenizer: false }
    await using llm = await LLM.create({ framework, tensorParallelSize: 2, dtype: 'float32', ...options })
    const stream = llm.stream([1, 2, 3], { temperature: 0, maxTokens: 400, ignoreEos: true })
    await stream.next()
    const ranks = processes
      .list()
      .filter(({ parent, command }) => parent === process.pid && command.includes('quire_worker'))
    t.is(ranks.length, 2)
    process.kill(ranks[1]?.pid as number, 'SIGKILL')
    await t.throwsAsync(
      async () => {
        while (!(await stream.next()).done);
      },
      { code: 'ERR_WORKER' },
    )
    t.deepEqual(await processes.left(), [])
    await t.throwsAsync(llm.generate([1], { maxTokens: 1 }), { code: 'ERR_WORKER' })
  })
}
