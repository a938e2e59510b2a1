// The chat: what was said, an answer as it comes, and a button that ends it.

import { EngineClient } from './engine-client.js'

const [status, conversation, form, text, send] = ['status', 'conversation', 'ask', 'text', 'send'].map(id =>
  document.getElementById(id),
)
const messages = []
let client
let isStopping = false
let isAnswering = false

window.addEventListener('message', ({ data, source, ports: [port] }) => {
  if (data !== 'engine-line' || source !== window) return
  client = new EngineClient(port, state => {
    const isReady = state.kind === 'ready'
    status.textContent = isReady ? state.model : `${state.code}: ${state.message}`
    for (const control of [text, send]) control.disabled = !isReady
    smoke(state)
  })
})
window.app.connect()

function show(role, content) {
  const paragraph = document.createElement('p')
  paragraph.className = role
  paragraph.textContent = content
  conversation.append(paragraph)
  paragraph.scrollIntoView()
  return paragraph
}

async function answer(content) {
  messages.push({ role: 'user', content })
  show('user', content)
  const shown = show('assistant', '')
  isAnswering = true
  isStopping = false
  send.textContent = 'Stop'
  try {
    for await (const piece of client.chat(messages)) {
      shown.textContent += piece
      shown.scrollIntoView()
      if (isStopping) break
    }
    messages.push({ role: 'assistant', content: shown.textContent })
  } catch (error) {
    messages.pop()
    shown.remove()
    show('error', `${error.code}: ${error.message}`)
  } finally {
    isAnswering = false
    send.textContent = 'Send'
  }
  return shown.textContent
}

form.addEventListener('submit', event => {
  event.preventDefault()
  if (isAnswering) {
    isStopping = true
    return
  }
  const content = text.value.trim()
  text.value = ''
  if (content !== '') answer(content)
})
text.addEventListener('keydown', event => {
  if (event.key !== 'Enter' || event.shiftKey) return
  event.preventDefault()
  if (!isAnswering) form.requestSubmit()
})

/** Under `electron . --smoke` the page asks by itself. */
async function smoke({ kind, code }) {
  if (!(await window.app.isSmokeTest())) return
  window.app.smokeResult(kind === 'ready' ? { text: await answer('Tell me a story.') } : { error: code })
}
