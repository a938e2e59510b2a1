// What the tests of packages and bundles take from the npm registry.

import type { Wanted } from '../apps/cached-packages.js'

export const BUNDLERS: Wanted = {
  dependencies: {
    '@arethetypeswrong/core': '0.18.5',
    publint: '0.3.25',
    rolldown: '1.3.3',
    vite: '8.4.0',
    webpack: '5.113.0',
  },
}
