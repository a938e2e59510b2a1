// A registry on this machine to which the packages are published as a release publishes them.

import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { run, succeeded } from '../apps/run-program.js'
import { npm } from '../apps/runtimes.js'

const program = fileURLToPath(new URL('./registry-process.mjs', import.meta.url))

export class LocalRegistry {
  readonly url: string
  readonly #process: ChildProcess

  private constructor(url: string, child: ChildProcess) {
    this.url = url
    this.#process = child
  }

  /** @param verdaccio the folder with verdaccio in its node_modules; what other registries have is kept there */
  static async start(verdaccio: string): Promise<LocalRegistry> {
    const storage = join(verdaccio, 'storage')
    for (const own of ['quire-llm', '@quire-llm', '.verdaccio-db.json']) {
      await rm(join(storage, own), { recursive: true, force: true })
    }
    const upstream = succeeded(await run([npm, 'config', 'get', 'registry'], verdaccio)).trim()
    const facts = JSON.stringify({ verdaccio, storage, upstream })
    const child = spawn(process.execPath, [program, facts], { stdio: ['pipe', 'pipe', 'inherit'], cwd: verdaccio })
    for await (const line of createInterface({ input: child.stdout })) {
      if (/^\d+$/.test(line)) return new LocalRegistry(`http://127.0.0.1:${line}/`, child)
    }
    throw new Error(`verdaccio ended with code ${child.exitCode}`)
  }

  /** What `npm publish` sends, without a start of npm for each. */
  async publish(tarball: string): Promise<void> {
    const bytes = await readFile(tarball)
    const manifest = succeeded(await run(['tar', '-xOf', tarball, 'package/package.json'], join(tarball, '..')))
    const { name, version } = JSON.parse(manifest) as { name: string; version: string }
    const file = `${name}-${version}.tgz`
    const dist = {
      integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
      shasum: createHash('sha1').update(bytes).digest('hex'),
      tarball: `${this.url}${name}/-/${file}`,
    }
    const response = await fetch(`${this.url}${name.replace('/', '%2f')}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        _id: name,
        name,
        'dist-tags': { latest: version },
        versions: { [version]: { ...(JSON.parse(manifest) as object), _id: `${name}@${version}`, dist } },
        _attachments: {
          [file]: { content_type: 'application/octet-stream', data: bytes.toString('base64'), length: bytes.length },
        },
      }),
    })
    if (!response.ok) throw new Error(`${name} was not published: ${response.status} ${await response.text()}`)
  }

  stop(): void {
    this.#process.kill()
  }
}
