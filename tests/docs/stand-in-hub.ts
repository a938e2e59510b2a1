// A hub on loopback that has small models under the names which the guides use, so that snippets with models by name run as
// they stand: what they name is downloaded.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commit, HubServer } from '../hub/hub-server.js'
import { root } from './guide-blocks.js'

/** What stands for what. */
const STAND_INS: Readonly<Record<string, string>> = {
  'HuggingFaceTB/SmolLM2-135M-Instruct': 'ts/assets/tiny-model',
  'Qwen/Qwen3-0.6B': 'ts/assets/tiny-model',
  'Qwen/Qwen3-4B': 'ts/assets/tiny-model',
  'sentence-transformers/all-MiniLM-L6-v2': 'tests/fixtures/pooling/bert',
  'bartowski/SmolLM2-135M-Instruct-GGUF': 'tests/fixtures/gguf',
}

export async function startStandInHub(): Promise<HubServer> {
  const hub = await HubServer.start()
  for (const [id, folder] of Object.entries(STAND_INS)) {
    const names = readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(join(root, folder).length + 1))
    const files = Object.fromEntries(names.map(name => [name, readFileSync(join(root, folder, name))]))
    hub.repositories.set(id, { revisions: { main: commit(files) } })
  }
  return hub
}
