// Holds the rules of the house against the tree. Before that, each rule against its own samples, so that none passes
// because it sees nothing.

import test from 'ava'
import { repositoryFiles } from './repository-files.js'
import { coreIsIntegers, noFrameworkNames, noPhases, oneLoop } from './rules/core.js'
import { crateEdges } from './rules/crate-edges.js'
import { noExternalBuffers } from './rules/external-buffers.js'
import { fileNames, fileSizes, listsOnly, machinePaths, openings } from './rules/files.js'
import { bindingImports, pluginDependencies, pluginImports, pluginsPatchNothing } from './rules/plugins.js'
import { snakeCaseAtTheWire } from './rules/snake-case.js'
import { configInSlices, typescriptLayers } from './rules/typescript-layers.js'
import { kernelsHaveTwins, pureCratesForbidUnsafe, unsafeInKernels } from './rules/unsafe-code.js'
import { webGraph } from './rules/web-graph.js'

const rules = [
  ...[crateEdges, typescriptLayers, configInSlices, webGraph],
  ...[coreIsIntegers, noPhases, oneLoop, noFrameworkNames],
  ...[snakeCaseAtTheWire, pluginImports, bindingImports, pluginsPatchNothing, pluginDependencies],
  ...[unsafeInKernels, pureCratesForbidUnsafe, kernelsHaveTwins, noExternalBuffers],
  ...[fileNames, fileSizes, listsOnly, openings, machinePaths],
]
const files = repositoryFiles()

for (const rule of rules) {
  test(`samples: ${rule.name}`, t => {
    t.true(rule.caught.length > 0 && rule.passes.length > 0, 'a rule shows what it catches and what it lets pass')
    for (const file of rule.caught) {
      t.true(rule.applies(file.path), `looks at ${file.path}`)
      t.not(rule.violations(file).length, 0, `must be reported: ${file.path}: ${file.text}`)
    }
    for (const file of rule.passes) {
      const found = rule.applies(file.path) ? rule.violations(file) : []
      t.deepEqual(found, [], `must pass: ${file.path}: ${file.text}`)
    }
  })

  test(rule.name, t => {
    const looked = files.filter(({ path }) => rule.applies(path))
    t.not(looked.length, 0, 'the rule is about no file of the tree')
    t.deepEqual(
      looked.flatMap(file => rule.violations(file).map(what => `${file.path}: ${what}`)),
      [],
    )
  })
}
