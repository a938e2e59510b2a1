// The dashboard and the compose file of examples/monitoring: whatever they name is there.

import { existsSync, readFileSync } from 'node:fs'
import test from 'ava'
import { load } from 'js-yaml'
import { completion, handleFake } from './served-engine.js'

const folder = new URL('../../examples/monitoring/', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, folder), 'utf8')

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[]
}

test('every metric and label of the dashboard is one that the server gives', async t => {
  const { handler } = await handleFake(t)
  await handler(new Request('http://localhost/v1/completions', completion()))
  const text = await (await handler(new Request('http://localhost/metrics'))).text()
  const given = new Set(text.split('\n').flatMap(line => /^([\w:]+)[{ ]/.exec(line)?.[1] ?? []))
  const { panels } = JSON.parse(read('grafana/dashboards/quire.json')) as Dashboard
  const asked = panels.flatMap(({ targets }) =>
    targets.flatMap(({ expr }) => expr.match(/\b(?:vllm:|http_)\w+/g) ?? []),
  )
  t.true(asked.length > 20)
  for (const name of asked) t.true(given.has(name), name)
  for (const { title, targets } of panels) {
    for (const { expr } of targets) {
      for (const [, labels = ''] of expr.matchAll(/by \(([^)]*)\)/g)) {
        for (const label of labels.split(',').map(each => each.trim())) {
          t.regex(text, new RegExp(`[{,]${label}="`), `${title}: ${label}`)
        }
      }
    }
  }
})

test('the compose file mounts files that are there', t => {
  const { services } = load(read('docker-compose.yml')) as { services: Record<string, { volumes?: string[] }> }
  const mounts = Object.values(services).flatMap(({ volumes = [] }) =>
    volumes.filter(volume => volume.startsWith('./')),
  )
  t.true(mounts.length >= 3)
  for (const mount of mounts) t.true(existsSync(new URL(mount.split(':')[0] as string, folder)), mount)
  const { scrape_configs: configs } = load(read('prometheus.yml')) as { scrape_configs: unknown[] }
  t.is(configs.length, 1)
})
