// The chat page: joins its parts, and says what buttons and keys do.

import { Conversation } from './conversation.js'
import { byId } from './element.js'
import { LiveMetrics } from './live-metrics.js'
import { Parameters } from './parameters.js'
import { ServerApi } from './server-api.js'
import { TokenInspector } from './token-inspector.js'

/** How near to the end a reader is who wants to see what comes, in pixels. */
const NEAR_END = 80

const [message, scroll, transcript, settings] = ['message', 'scroll', 'transcript', 'settings'].map(byId)
const isWide = matchMedia('(min-width: 64rem)')
const isTouch = matchMedia('(pointer: coarse)')

const api = new ServerApi(storageOfTab())
const parameters = new Parameters(byId('parameters'))
const announce = text => {
  byId('status').textContent = text
}
const inspector = new TokenInspector({ container: transcript, card: byId('inspector'), announce })
const conversation = new Conversation({
  api,
  parameters,
  transcript,
  inspector,
  onChange: state => {
    announce(state)
    showState()
  },
  onGrow: follow,
  onFailure: askForKey,
})

/** A browser may forbid storage; then the key lives as long as the page. */
function storageOfTab() {
  try {
    return window.sessionStorage
  } catch {
    return undefined
  }
}

function showState() {
  const { isRunning, isEmpty } = conversation
  byId('send').hidden = isRunning
  byId('stop').hidden = !isRunning
  byId('clear').disabled = isEmpty
  byId('welcome').hidden = !isEmpty
  byId('forget-key').hidden = !api.hasKey
  follow()
}

let isFollowing = true
scroll.addEventListener('scroll', () => {
  isFollowing = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_END
})

function follow() {
  if (isFollowing) scroll.scrollTop = scroll.scrollHeight
}

function askForKey(error) {
  if (error.status !== 401) return
  byId('key-form').hidden = false
  byId('key').focus()
}

async function loadModels() {
  try {
    parameters.showModels((await api.json('v1/models')).data)
    byId('key-form').hidden = true
    showState()
  } catch (error) {
    askForKey(error)
    announce(error.message)
  }
}

function send() {
  const question = message.value.trim()
  if (question === '' || conversation.isRunning) return
  if (!parameters.isValid) {
    openSettings(true)
    parameters.check()
    return
  }
  message.value = ''
  fitMessage()
  isFollowing = true
  conversation.ask(question)
}

function stop() {
  conversation.stop()
  message.focus()
}

/** As high as its text, up to the limit that the style sheet sets. */
function fitMessage() {
  message.style.setProperty('height', 'auto')
  message.style.setProperty('height', `${message.scrollHeight + 2}px`)
}

function openSettings(isOpen) {
  settings.hidden = !isOpen
  byId('settings-toggle').setAttribute('aria-expanded', String(isOpen))
}

function closeSettings() {
  openSettings(false)
  byId('settings-toggle').focus()
}

byId('composer').addEventListener('submit', event => {
  event.preventDefault()
  send()
})
message.addEventListener('input', fitMessage)
message.addEventListener('keydown', event => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing || isTouch.matches) return
  event.preventDefault()
  send()
})
document.addEventListener('keydown', event => {
  if (event.key !== 'Escape') return
  if (conversation.isRunning) stop()
  else if (!settings.hidden && !isWide.matches) closeSettings()
})
byId('stop').addEventListener('click', stop)
byId('clear').addEventListener('click', () => {
  conversation.clear()
  message.focus()
})
byId('suggestions').addEventListener('click', event => {
  if (!event.target.classList.contains('suggestion')) return
  message.value = event.target.textContent
  send()
  message.focus()
})
byId('settings-toggle').addEventListener('click', () => {
  openSettings(settings.hidden)
  // On a narrow screen it lies over the rest.
  if (!settings.hidden && !isWide.matches) byId('settings-close').focus()
})
byId('settings-close').addEventListener('click', closeSettings)
isWide.addEventListener('change', () => openSettings(isWide.matches))
byId('probabilities').addEventListener('change', () => {
  document.body.classList.toggle('shaded', parameters.probabilities === 'shaded')
})
byId('key-form').addEventListener('submit', event => {
  event.preventDefault()
  api.key = byId('key').value.trim()
  byId('key').value = ''
  loadModels().then(() => message.focus())
})
byId('forget-key').addEventListener('click', () => {
  api.key = ''
  showState()
  loadModels()
  message.focus()
})

openSettings(isWide.matches)
showState()
loadModels()
new LiveMetrics(api)
message.focus()
