// How the TypeScript tests run: ava, one worker thread a file, sources through tsx without a build of their own.

/** What takes longest begins first, so that nothing long is left alone at the end. */
const FIRST = [
  'openai/clients/python',
  'structured/schema-bench',
  'packages/install',
  'docs/guide-snippets',
  'docs/guide-site',
  'frameworks/golden',
  'apps/apps',
  'cli/setup',
  'wire/lost-worker',
  'ui/chat-page',
]

/** Place in the list; past its end for all others. */
function rank(file) {
  const place = FIRST.findIndex(name => file.replaceAll('\\', '/').endsWith(`/${name}.test.ts`))
  return place < 0 ? FIRST.length : place
}

export default {
  files: ['tests/**/*.test.ts'],
  extensions: { ts: 'module' },
  nodeArguments: ['--import=./tests/tsx-register.mjs'],
  sortTestFiles: (a, b) => rank(a) - rank(b) || a.localeCompare(b),
  workerThreads: true,
  timeout: '10m',
  concurrency: 2,
}
