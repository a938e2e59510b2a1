// Between the page and the app: hands the page its line to the engine, and nothing else of Electron.

const { contextBridge, ipcRenderer } = require('electron')

// A port cannot cross contextBridge, but a message of the window can carry it.
ipcRenderer.on('connected', ({ ports }) => window.postMessage('engine-line', '*', ports))

contextBridge.exposeInMainWorld('app', {
  connect: () => ipcRenderer.send('connect'),
  isSmokeTest: () => ipcRenderer.invoke('is-smoke-test'),
  smokeResult: result => ipcRenderer.send('smoke-result', result),
})
