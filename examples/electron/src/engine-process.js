// The program of the engine's process: `utilityProcess.fork` in the app, `child_process.fork` where there is no Electron. The
// first gets a port for each page, the second has one line only; what is said on a line is the same.

import { EngineService } from './engine-service.js'

const { parentPort } = process
const service = new EngineService({ model: process.env.QUIRE_MODEL })

async function close() {
  await service.close()
  process.exit(0)
}

if (parentPort !== undefined) {
  parentPort.on('message', ({ data, ports: [port] }) => {
    if (data.kind === 'close') close()
    if (data.kind !== 'connect') return
    const line = service.connect(message => port.postMessage(message))
    port.on('message', ({ data: message }) => line.hear(message))
    port.on('close', () => line.leave())
    port.start()
  })
} else {
  const line = service.connect(message => process.send(message))
  process.on('message', message => (message.kind === 'close' ? close() : line.hear(message)))
  process.on('disconnect', close)
}
