// `npm start`: from a bare clone to a story. Installs and builds what is missing, then runs the bundled model through the
// command line, which is a thin layer over the public API. Everything but the story goes to stderr.
import { build } from './build.mjs'
import { execute } from './execute.mjs'
import { inRoot } from './repository.mjs'
import { runMain } from './step-error.mjs'

const STORY = [
  'generate',
  '--echo',
  '--prompt',
  'Once upon a time',
  '--max-tokens',
  '256',
  '--temperature',
  '0.8',
  '--seed',
  '7',
]

await runMain(async commandArguments => {
  await build()
  const quireArguments = commandArguments.length > 0 ? commandArguments : STORY
  return execute(process.execPath, [inRoot('ts/bin/quire.js'), ...quireArguments], { input: 'inherit' })
})
