// The program of the loop's thread on Node: selects the plugin, brings the model up and serves the loop by messages.

import { type MessagePort, workerData } from 'node:worker_threads'
import { selectPlugin } from '../plugin/selection.js'
import { LoopHost } from './loop-host.js'
import type { LoopCommand, LoopReport, LoopThreadData } from './loop-messages.js'
import { reportFailure, serveLoop } from './loop-service.js'
import { rankOpener } from './model-opening.js'
import { nodePlatform } from './node-platform.js'

const { port, ...data } = workerData as LoopThreadData & { readonly port: MessagePort }
const send = (report: LoopReport) => port.postMessage(report)

async function run({ config, framework, device, appDirectory, entryScript }: LoopThreadData): Promise<void> {
  const selection = await selectPlugin({
    framework,
    device,
    appDirectory,
    env: process.env,
    ...(entryScript !== undefined && { entryScript }),
  })
  const open = await rankOpener(selection)
  const obey = await serveLoop(send, (events, onProgress) =>
    LoopHost.create(config, open, events, onProgress, { ...nodePlatform, ownThread: true }),
  )
  port.on('message', (commands: readonly LoopCommand[]) => obey(commands))
}

run(data).catch((error: unknown) => {
  reportFailure(send, error)
  port.close()
})
