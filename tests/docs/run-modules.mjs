// Imports modules one after another in this process, and says of each in a line of JSON what it printed and what it threw.
// One process for many snippets: starting one takes longer than most of them do.

const write = process.stdout.write.bind(process.stdout)

for (const module of process.argv.slice(2)) {
  let printed = ''
  let error
  process.stdout.write = chunk => {
    printed += chunk
    return true
  }
  try {
    await import(module)
  } catch (thrown) {
    error = thrown instanceof Error ? thrown.stack : String(thrown)
  }
  process.stdout.write = write
  write(`${JSON.stringify({ module, printed, error })}\n`)
}
process.exit()
