// A build step that cannot go on, with the one sentence the user needs. Anything else that is thrown is a bug.

export class StepError extends Error {
  name = 'StepError'
}

/** Runs a command's main function; turns a StepError into its sentence on stderr and exit code 1. */
export async function runMain(main) {
  try {
    process.exitCode = (await main(process.argv.slice(2))) ?? 0
  } catch (error) {
    if (!(error instanceof StepError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}
