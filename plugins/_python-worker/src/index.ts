// What a plugin over a Python framework is made of.

export { Connection, type ConnectionHandlers, type Reply } from './connection.js'
export { decoderArchitectures } from './decoder-architectures.js'
export { findInterpreter, type Interpreter, type InterpreterFound, type InterpreterSearch } from './interpreter.js'
export { definePythonPlugin, type EnvironmentContext, type PythonPluginDefinition } from './python-plugin.js'
export { WorkerFramework } from './worker-framework.js'
export { type Heartbeat, type Timeouts, WorkerProcess, type WorkerProcessOptions } from './worker-process.js'
export { WorkerRunner } from './worker-runner.js'
