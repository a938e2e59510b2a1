// What Electron does to files of its archives, as far as a program in Node can do it. `app.asar` is a folder here, in which the
// contents of files that were left unpacked are missing, but for code. JavaScript is led to them as Electron leads it: when a
// file is opened and when a native module is loaded. Nobody leads native code, nor threads, which older releases left alone.

import fs from 'node:fs'
import { register, syncBuiltinESMExports } from 'node:module'
import workers from 'node:worker_threads'

const packed = /\.asar(?=[\\/])/

function led(path) {
  if (typeof path !== 'string') return path
  const twin = path.replace(packed, '.asar.unpacked')
  return fs.existsSync(twin) ? twin : path
}

if (workers.isMainThread) {
  Object.defineProperty(process, 'versions', { value: Object.freeze({ ...process.versions, electron: '41.10.7' }) })
  const { openSync } = fs
  fs.openSync = (path, ...rest) => openSync(led(path), ...rest)
  const { dlopen } = process
  process.dlopen = (module, path, ...rest) => dlopen.call(process, module, led(path), ...rest)
  workers.Worker = class extends workers.Worker {
    constructor(entry, options) {
      if (packed.test(decodeURI(String(entry)))) throw new Error(`A thread cannot start in an archive: ${entry}`)
      super(entry, options)
    }
  }
  syncBuiltinESMExports()
  // A module beside the archive is one of a thread, and finds nothing in the archive.
  const hooks = `export async function resolve(specifier, context, next) {
    const found = await next(specifier, context)
    if (/\\.asar\\.unpacked\\//.test(context.parentURL) && /\\.asar\\//.test(found.url))
      throw new Error(found.url + ' is in the archive')
    return found
  }`
  register(`data:text/javascript,${encodeURIComponent(hooks)}`)
}
