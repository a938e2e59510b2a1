// Runs the specs that are named, or all of them, in the runtime that this is, and says on its last line what each gave. It does
// not end the process: what Quire leaves open would keep it alive.

import { specs } from './specs.mjs'

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(specs)
const results = {}
for (const name of names) {
  try {
    results[name] = { value: await specs[name]() }
  } catch (error) {
    results[name] = { error: `${error?.stack ?? error}` }
  }
}
console.log(JSON.stringify(results))
