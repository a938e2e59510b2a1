// How the TypeScript tests run: ava, one worker thread a file, sources through tsx without a build of their own.
export default {
  files: ['tests/**/*.test.ts'],
  extensions: { ts: 'module' },
  nodeArguments: ['--import=./tests/tsx-register.mjs'],
  workerThreads: true,
  timeout: '10m',
  concurrency: 2,
}
