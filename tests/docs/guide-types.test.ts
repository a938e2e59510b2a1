// Every snippet in TypeScript, of the guides and of the README, is right by its types: one program over all of them, against the
// packages as they were built.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test from 'ava'
import ts from 'typescript'
import { blocksOf, guidePages, readGuide, root } from './guide-blocks.js'

/** Why a snippet is not checked. */
const notChecked: Readonly<Record<string, string>> = {
  'deno-and-bun/bun-server.ts': 'it has the global of another runtime',
  'deno-and-bun/deno-server.ts': 'it has the global of another runtime',
  'deno-and-bun/answer.ts': 'it imports files of an app; tests/runtimes compiles and runs it',
  'serve/bun.ts': 'it has the global of another runtime',
  'serve/deno.ts': 'it has the global of another runtime',
}

const folders = join(root, '.cache/docs')
await mkdir(folders, { recursive: true })
const folder = await mkdtemp(join(folders, 'types-'))
test.after.always(() => rm(folder, { recursive: true, force: true }))

const snippets = ['../README.md', ...guidePages].flatMap(page =>
  blocksOf(readGuide(page))
    .filter(({ language }) => language === 'ts')
    .map(({ name, text }, index) => ({
      id: `${page.replace(/^\.\.\/|\.md$/g, '')}/${name === '' ? `block-${index}.ts` : name}`,
      text,
    })),
)
const checked = snippets.filter(({ id }) => !Object.hasOwn(notChecked, id))

async function diagnose(): Promise<readonly string[]> {
  const paths: string[] = []
  for (const { id, text } of checked) {
    const path = join(folder, id)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
    paths.push(path)
  }
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const { config } = ts.readConfigFile(join(root, 'tsconfig.base.json'), ts.sys.readFile)
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root)
  const program = ts.createProgram(paths, {
    ...options,
    noEmit: true,
    declaration: false,
    noUnusedLocals: false, // a snippet may name what only its reader uses
    typeRoots: [join(root, 'node_modules/@types')],
  })
  const own = new Set(paths)
  return paths
    .map(path => program.getSourceFile(path) as ts.SourceFile)
    .filter(({ fileName }) => own.has(fileName))
    .flatMap(file => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])
    .map(
      ({ file, messageText }) =>
        `${file?.fileName.slice(folder.length + 1)}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    )
}

test('snippets are right by their types', async t => {
  t.true(checked.length > 30)
  t.deepEqual(await diagnose(), [])
})

for (const [id, reason] of Object.entries(notChecked)) {
  test(`${id} is there`, t => t.true(snippets.some(snippet => snippet.id === id)))
  test.skip(`types of ${id}: ${reason}`, () => {})
}
