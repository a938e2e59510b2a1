#!/usr/bin/env node
// The `quire` command: a fixed file, so that package managers can link it before the sources are compiled.
import { main } from '../dist/cli/main.js'
import { exitWhenUnwritable } from '../dist/cli/streams.js'

exitWhenUnwritable(process, process.exit)
process.exitCode = await main(process.argv.slice(2))
