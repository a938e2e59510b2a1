// The app's main process: windows, and the engine's process. It runs no model, and hands each page a line to the engine.

import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { app, BrowserWindow, ipcMain, MessageChannelMain, utilityProcess } from 'electron'

const here = dirname(fileURLToPath(import.meta.url))
const isSmokeTest = process.argv.includes('--smoke')
let engine

function startEngine() {
  // QUIRE_MODEL is a folder or a name on the hub; without it the bundled tiny model speaks.
  engine = utilityProcess.fork(join(here, 'engine-process.js'), [], {
    serviceName: 'quire engine',
    env: { ...process.env, HF_HOME: process.env.HF_HOME ?? join(app.getPath('userData'), 'models') },
  })
  engine.on('exit', code => {
    engine = undefined
    if (code !== 0) process.stderr.write(`The engine's process ended with code ${code}.\n`)
  })
}

async function openWindow() {
  const window = new BrowserWindow({
    width: 720,
    height: 860,
    show: !isSmokeTest,
    webPreferences: {
      preload: join(here, 'preload.cjs'),
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
    },
  })
  window.webContents.setWindowOpenHandler(() => ({ action: 'deny' }))
  window.webContents.on('will-navigate', event => event.preventDefault())
  await window.loadFile(join(here, 'page', 'index.html'))
}

/** A page asks for its line when it is ready, and again after it was loaded anew. */
ipcMain.on('connect', event => {
  if (engine === undefined) startEngine()
  const { port1, port2 } = new MessageChannelMain()
  engine.postMessage({ kind: 'connect' }, [port1])
  event.sender.postMessage('connected', null, [port2])
})

/** `electron . --smoke`: the page asks once, says what came, and the app ends. For machines without anybody before them. */
ipcMain.on('smoke-result', (_, { text, error }) => {
  if (!isSmokeTest) return
  process.stdout.write(`${error ?? `smoke: ${text}`}\n`)
  app.exit(error === undefined && text !== '' ? 0 : 1)
})
ipcMain.handle('is-smoke-test', () => isSmokeTest)

await app.whenReady()
startEngine()
await openWindow()
app.on('activate', () => {
  if (BrowserWindow.getAllWindows().length === 0) openWindow()
})
app.on('window-all-closed', () => {
  if (process.platform !== 'darwin') app.quit()
})
app.on('before-quit', () => engine?.postMessage({ kind: 'close' }))
