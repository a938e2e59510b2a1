// An app of Next.js on the server: a route that has an engine in its process, and one that is the OpenAI server. Next.js bundles the routes
// and leaves Quire in node_modules, as docs/deploy.md says.

import type { Wanted } from '../apps/cached-packages.js'
import type { PackageFiles } from '../apps/plugin-packages.js'

export const NEXT: Wanted = { dependencies: { next: '16.4.6', react: '19.3.1', 'react-dom': '19.3.1' } }

/** @param root folder whose node_modules has Next.js; the app is below it. */
export const nextApp = (root: string): PackageFiles => ({
  'package.json': { name: 'app', private: true, type: 'module' },
  'next.config.mjs': `export default {
  serverExternalPackages: ['quire-llm', '@quire-llm/candle-cpu'],
  turbopack: { root: ${JSON.stringify(root)} },
  outputFileTracingRoot: ${JSON.stringify(root)},
  experimental: { cpus: 1 },
}
`,
  // One model for all routes and requests of the process.
  'app/model.js': `import { LLM } from 'quire-llm'
export const model = () => (globalThis.model ??= LLM.create({ numBlocks: 64, threads: 1 }))
`,
  'app/text/route.js': `import { model } from '../model.js'
export async function GET(request) {
  const llm = await model()
  const prompt = new URL(request.url).searchParams.get('prompt')
  const { outputs: [output] } = await llm.generate(prompt, { temperature: 0, maxTokens: 8 })
  return Response.json({ text: output.text })
}
`,
  'app/v1/[...path]/route.js': `import { createHandler } from 'quire-llm/server'
import { model } from '../../model.js'
const handler = async request => {
  globalThis.handler ??= createHandler((await model()).engine, { modelNames: ['quire-tiny'], apiKeys: ['key'] })
  return globalThis.handler(request)
}
export { handler as GET, handler as POST }
`,
})
