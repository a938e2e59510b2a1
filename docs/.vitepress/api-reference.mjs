// The API reference: typedoc over the built declarations, as Markdown pages for the site. Whatever an app can import is on
// them; an export without a comment, a type that is used but not exported, and a link to nothing are warnings.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Application, Logger, LogLevel } from 'typedoc'

const path = relative => fileURLToPath(new URL(relative, import.meta.url))

/** What an app imports, and the folder of its package. The declarations are found by `exports` of its package.json. */
const ENTRY_POINTS = [
  ['quire-llm', 'ts'],
  ['quire-llm/server', 'ts'],
  ['quire-llm/plugin', 'ts'],
  ['quire-llm/testing', 'ts'],
  ['quire-llm/web', 'ts'],
  ['@quire-llm/ai-sdk', 'plugins/ai-sdk'],
  ['@quire-llm/langchain', 'plugins/langchain'],
  ['@quire-llm/python-worker', 'plugins/_python-worker'],
].map(([specifier, folder]) => ({ specifier, ...declarations(specifier, folder) }))

function declarations(specifier, folder) {
  const { name, exports } = JSON.parse(readFileSync(path(`../../${folder}/package.json`), 'utf8'))
  const types = exports[`.${specifier.slice(name.length)}`].types
  return { packageName: name, file: path(`../../${folder}/${types}`) }
}

class WarningList extends Logger {
  #warnings

  constructor(warnings) {
    super()
    this.#warnings = warnings
  }

  log(message, level) {
    // Members of a type without a name are described where the type is.
    if (level >= LogLevel.Warn && !message.includes('.__type.')) this.#warnings.push(message)
  }
}

/**
 * Writes the pages to docs/api, and typedoc-sidebar.json beside them; `null`: nothing is written.
 * @returns {Promise<string[]>} what typedoc warns of: an empty list if the reference is whole
 */
export async function makeApiReference(out = path('../api')) {
  const warnings = []
  const app = await Application.bootstrapWithPlugins({
    plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme'],
    name: 'API reference',
    entryPoints: ENTRY_POINTS.map(({ file }) => file),
    tsconfig: path('./tsconfig.api.json'),
    basePath: path('../..'),
    out: out ?? path('../api'),
    docsRoot: path('..'),
    sortEntryPoints: false,
    readme: 'none',
    disableSources: true,
    excludePrivate: true,
    excludeProtected: true,
    excludeInternal: true,
    excludeExternals: true,
    githubPages: false,
    hidePageHeader: true,
    hideBreadcrumbs: false,
    useCodeBlocks: true,
    parametersFormat: 'table',
    expandObjects: true,
    interfacePropertiesFormat: 'table',
    propertyMembersFormat: 'table',
    typeDeclarationFormat: 'table',
    tableColumnSettings: { hideModifiers: true, hideInherited: true, hideOverrides: true, hideSources: true },
    sidebar: { autoConfiguration: true, format: 'vitepress', pretty: false, collapsed: true },
    packagesRequiringDocumentation: [...new Set(ENTRY_POINTS.map(({ packageName }) => packageName))],
    validation: { notExported: true, invalidLink: true, invalidPath: true, rewrittenLink: true, notDocumented: true },
  })
  app.logger = new WarningList(warnings)
  const project = await app.convert()
  if (project === undefined) return [...warnings, 'typedoc could not read the declarations']
  for (const { specifier, file } of ENTRY_POINTS) {
    const module = project.children.find(each => file.endsWith(`/${each.name}/index.d.ts`))
    module.name = specifier
  }
  app.validate(project)
  if (out !== null) await app.generateOutputs(project)
  return warnings
}
