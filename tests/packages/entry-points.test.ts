// `quire-llm` and `quire-llm/web` are one API: the same names, and classes with the same members, but for what one of the two places
// cannot have. What differs stands here.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import ts from 'typescript'

const entry = (path: string) => fileURLToPath(new URL(`../../ts/dist/${path}`, import.meta.url))
const [node, web] = [entry('index.d.ts'), entry('web/index.d.ts')]

/** On Node only: what chooses a framework, what needs functions or files in the thread of the loop, a second model. */
const NODE_ONLY = [
  ...['DType', 'DTypeLike', 'DTypeName', 'Device', 'Framework', 'FrameworkAccessor', 'FrameworkInUse', 'Tensor'],
  ...['UseFrameworkOptions', 'framework', 'registerPlugin', 'useFramework'],
  ...[
    'ExtraArgs',
    'JsonValue',
    'LogitsContext',
    'LogitsProcessor',
    'LogitsProcessorDefinition',
    'LogitsProcessorSource',
  ],
  ...['CreateOptions', 'DraftModelOptions', 'EngineOptions', 'LoopPlace', 'SpeculativeOptions'],
]
/** On pages only: where a page has models from, and keeps them. */
const WEB_ONLY = ['WebAssets', 'WebEngineOptions', 'WebModel', 'cachedModels', 'removeCachedModels']

if (!existsSync(web)) {
  test.skip('the entry points agree: quire-llm/web is not built', () => {})
} else {
  const program = ts.createProgram([node, web], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'],
    strict: true,
    skipLibCheck: true,
  })
  const checker = program.getTypeChecker()
  const exportsOf = (path: string) =>
    new Map(
      checker
        .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(path) as ts.SourceFile) as ts.Symbol)
        .map(symbol => [symbol.name, symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol]),
    )
  const [onNode, onWeb] = [exportsOf(node), exportsOf(web)]
  const missing = (from: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>) =>
    [...from.keys()].filter(name => !other.has(name)).sort()

  test('the entry points have the same names', t => {
    t.true(onNode.has('SamplingParams') && onWeb.has('EngineError'))
    t.deepEqual(missing(onNode, onWeb), [...NODE_ONLY].sort())
    t.deepEqual(missing(onWeb, onNode), [...WEB_ONLY].sort())
  })

  /** Members of the instances, and those of the class itself. */
  const membersOf = (symbol: ts.Symbol) => {
    const isPublic = ({ name, declarations = [] }: ts.Symbol) =>
      name !== 'prototype' &&
      !name.startsWith('__#') &&
      declarations.every(each => !(ts.getCombinedModifierFlags(each) & ts.ModifierFlags.NonPublicAccessibilityModifier))
    const statics = checker.getTypeOfSymbol(symbol).getProperties().filter(isPublic)
    const own = checker.getDeclaredTypeOfSymbol(symbol).getProperties().filter(isPublic)
    return [...own.map(({ name }) => name), ...statics.map(({ name }) => `static ${name}`)]
      .map(name => name.replace(/^__@(\w+)@\d+$/, 'Symbol.$1'))
      .sort()
  }

  for (const [name, nodeOnly] of Object.entries({ LLM: [], Engine: ['static inline'] } as Record<string, string[]>)) {
    test(`${name} has the same members on both`, t => {
      const [there, here] = [onNode, onWeb].map(names => membersOf(names.get(name) as ts.Symbol)) as [
        string[],
        string[],
      ]
      t.true(here.includes('generate') && here.includes('static create'))
      t.deepEqual(
        there.filter(member => !nodeOnly.includes(member)),
        here,
      )
    })
  }
}
