// Configuration that the guides show: each file is read by the program that it is for where this machine has it, and what it hands
// to `quire serve` is a command line that the server takes.

import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { load } from 'js-yaml'
import { parseServeSettings } from '../../ts/src/cli/serve-settings.js'
import { NodeServer } from '../../ts/src/server/index.js'
import { CERT, KEY } from '../server/localhost-certificate.js'
import { quoted, readGuide, siteBlocks, tableUnder } from './guide-blocks.js'

const folder = mkdtempSync(join(tmpdir(), 'quire-guides-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

/** What `quire serve` gives requests that run at SIGTERM. */
const DRAIN_SECONDS = 30

const configs = siteBlocks.filter(({ language }) => language !== 'ts' && language !== 'sh')

interface Compose {
  readonly services: {
    readonly quire: {
      readonly command: readonly string[]
      readonly healthcheck: { readonly test: readonly string[] }
      readonly stop_grace_period: string
    }
  }
}

interface Deployment {
  readonly spec: {
    readonly replicas: number
    readonly selector: { readonly matchLabels: object }
    readonly template: {
      readonly metadata: { readonly labels: object }
      readonly spec: { readonly terminationGracePeriodSeconds: number; readonly containers: readonly [Container] }
    }
  }
}

type Probe = 'startupProbe' | 'readinessProbe' | 'livenessProbe'

type Container = Readonly<Record<Probe, { readonly httpGet: { readonly path: string; readonly port: string } }>> & {
  readonly args: readonly string[]
  readonly ports: readonly { readonly name: string }[]
}

const write = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function checkArguments(t: ExecutionContext, args: readonly string[]): void {
  t.notThrows(() => NodeServer.check(parseServeSettings(args, {}).server), args.join(' '))
}

/** What a program says of a file; nothing if it is content. */
function complaint(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, ...env },
  })
  return status === 0 ? '' : `${program} ${args.join(' ')}: ${error ?? ''}${stdout}${stderr}`
}

/** Braces of a text without its comments and strings. */
function isBalanced(text: string): boolean {
  let depth = 0
  for (const brace of text.replaceAll(/#.*$/gm, '').match(/[{}]/g) ?? []) {
    depth += brace === '{' ? 1 : -1
    if (depth < 0) return false
  }
  return depth === 0
}

/** What can be said of a file without the program that it is for, by its name. */
const forms: Readonly<Record<string, (t: ExecutionContext, text: string) => void>> = {
  'quire.yaml': (t, text) => {
    checkArguments(t, ['--config', write('quire.yaml', text)])
    t.throws(() => parseServeSettings(['--config', write('wrong.yaml', `${text}\nno-such-option: 1\n`)], {}))
  },
  'quire.service': (t, text) => {
    const [, command] = /^ExecStart=\S+ \S+quire-llm\/bin\/quire\.js serve (.*)$/m.exec(text) ?? []
    t.is(command, '--config /etc/quire.yaml')
    t.true(Number(/^TimeoutStopSec=(\d+)$/m.exec(text)?.[1]) > DRAIN_SECONDS)
  },
  Dockerfile: (t, text) => {
    const words = text
      .trim()
      .split('\n')
      .map(line => line.split(' ', 1)[0])
    t.deepEqual(words, ['FROM', 'WORKDIR', 'ENV', 'RUN', 'USER', 'VOLUME', 'EXPOSE', 'ENTRYPOINT'])
    const entry = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(text)?.[1] ?? '[]')
    t.deepEqual(entry, ['node', 'node_modules/quire-llm/bin/quire.js', 'serve'])
  },
  'compose.yaml': (t, text) => {
    const { quire } = (load(text) as Compose).services
    checkArguments(t, quire.command)
    t.is(spawnSync(process.execPath, ['--check', '-'], { input: quire.healthcheck.test[3] ?? '' }).status, 0)
    t.true(Number.parseInt(quire.stop_grace_period, 10) > DRAIN_SECONDS)
  },
  'kubernetes.yaml': (t, text) => {
    const { replicas, selector, template } = (load(text) as Deployment).spec
    const [container] = template.spec.containers
    checkArguments(t, container.args)
    t.is(replicas, 1)
    t.true(template.spec.terminationGracePeriodSeconds > DRAIN_SECONDS)
    t.deepEqual(selector.matchLabels, template.metadata.labels)
    const endpoints = tableUnder(readGuide('serve.md'), 'Endpoints').flatMap(([cell = '']) => quoted(cell))
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'] as const) {
      const { path, port } = container[probe].httpGet
      t.true(endpoints.includes(`GET ${path}`), path)
      t.is(container.ports[0]?.name, port)
    }
  },
  'nginx.conf': (t, text) => t.true(isBalanced(text)),
  Caddyfile: (t, text) => t.true(isBalanced(text)),
  'prometheus.yml': (t, text) =>
    t.like(load(text) as object, { scrape_configs: [{ static_configs: [{ targets: ['127.0.0.1:8000'] }] }] }),
  'vllm.py': (t, text) => t.regex(text, /^from vllm import /),
}

interface Reader {
  readonly program: string
  /** With which it says that it is there. */
  readonly probe: readonly string[]
  /** With which it reads the file. */
  args(text: string): readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** The program that each file is for. */
const readers: Readonly<Record<string, Reader>> = {
  'quire.service': {
    program: 'systemd-analyze',
    probe: ['--version'],
    args: text => {
      const node = write('node', '#!/bin/sh\n')
      chmodSync(node, 0o755)
      return ['verify', '--man=no', write('quire.service', text.replace('/usr/bin/node', node))]
    },
  },
  'compose.yaml': {
    program: 'docker',
    probe: ['compose', 'version'],
    args: text => ['compose', '-f', write('compose.yaml', text), 'config', '--quiet'],
    env: { QUIRE_API_KEY: 'key' },
  },
  'nginx.conf': {
    program: 'nginx',
    probe: ['-v'],
    args: text => {
      const files = text
        .replace(/(ssl_certificate) .*;/, `$1 ${write('cert.pem', CERT)};`)
        .replace(/(ssl_certificate_key) .*;/, `$1 ${write('key.pem', KEY)};`)
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder};`)
      const http = `http { access_log off; ${temporary.join(' ')} include ${write('quire.conf', files)}; }`
      return ['-t', '-c', write('nginx.conf', `pid ${folder}/pid; error_log ${folder}/log; events {} ${http}`)]
    },
  },
  Caddyfile: {
    program: 'caddy',
    probe: ['version'],
    args: text => ['validate', '--adapter', 'caddyfile', '--config', write('Caddyfile', text)],
  },
  'prometheus.yml': {
    program: 'promtool',
    probe: ['--version'],
    args: text => ['check', 'config', write('prometheus.yml', text)],
  },
  'vllm.py': {
    program: process.env.PYTHON ?? 'python3',
    probe: ['--version'],
    args: text => ['-c', 'import ast, sys; ast.parse(sys.argv[1])', text],
  },
}

for (const { page, name, text } of configs) {
  test(`${page}: ${name}`, t => {
    t.true(Object.hasOwn(forms, name), 'a block of a kind that nothing here reads')
    forms[name]?.(t, text)
  })
  const reader = readers[name]
  if (reader === undefined) continue
  const { program, probe, args, env } = reader
  if (complaint(program, probe) === '')
    test(`${page}: ${name}, read by ${program}`, t => t.is(complaint(program, args(text), env), ''))
  else test.skip(`${page}: ${name}, read by ${program}: it is not installed here`, () => {})
}

test('every check is of a block', t => {
  const names = configs.map(({ name }) => name)
  t.deepEqual(
    [...Object.keys(forms), ...Object.keys(readers)].filter(name => !names.includes(name)),
    [],
  )
})
