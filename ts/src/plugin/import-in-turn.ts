// Imports of plugins, one after the other: a CommonJS plugin cannot require a module that another import has half loaded.

let last: Promise<unknown> = Promise.resolve()

/** Runs an import when those before it have ended, well or badly. */
export function importInTurn<T>(load: () => Promise<T>): Promise<T> {
  const imported = last.then(load)
  last = imported.catch(() => {})
  return imported
}
