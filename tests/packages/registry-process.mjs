// A registry in a process of its own: verdaccio on a free port of this machine, which it prints as its first line. The argument
// is JSON: the folders of verdaccio and of its storage, and the registry that has what is not published here.
import { createRequire } from 'node:module'
import { join } from 'node:path'

const { verdaccio, storage, upstream } = JSON.parse(process.argv[2])
const { runServer } = createRequire(join(verdaccio, 'package.json'))('verdaccio')

const everybody = { access: '$all', publish: '$all', unpublish: '$all' }
const server = await runServer({
  self_path: join(storage, 'config.yaml'),
  storage,
  auth: { htpasswd: { file: join(storage, 'htpasswd'), max_users: -1 } },
  uplinks: {
    upstream: { url: upstream, cache: true, maxage: '60m', timeout: '120s', max_fails: 100, fail_timeout: '5s' },
  },
  packages: {
    'quire-llm': everybody,
    '@quire-llm/*': everybody,
    '**': { access: '$all', publish: '$all', proxy: 'upstream' },
  },
  max_body_size: '100mb',
  web: { enable: false },
  log: { type: 'stdout', format: 'json', level: 'fatal' },
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
// Ends with the process that started it.
process.stdin.resume().on('end', () => process.exit())
