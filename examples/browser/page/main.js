// The page: a model card, then three ways to use the model, and a meter of what the engine does.

import { ChatPanel } from './chat-panel.js'
import { byId } from './element.js'
import { JsonPanel } from './json-panel.js'
import { Meter } from './meter.js'
import { ModelCard } from './model-card.js'
import { ParallelPanel } from './parallel-panel.js'

const panels = {
  chat: new ChatPanel(byId('panel-chat')),
  parallel: new ParallelPanel(byId('panel-parallel')),
  json: new JsonPanel(byId('panel-json')),
}
const meter = new Meter()

const card = new ModelCard({
  loaded: llm => {
    byId('work').hidden = false
    for (const panel of Object.values(panels)) panel.use(llm)
    meter.watch(llm)
  },
  unloaded: () => {
    byId('work').hidden = true
    meter.watch(undefined)
  },
})

const tabs = [...document.querySelectorAll('[role=tab]')]
for (const tab of tabs) {
  tab.addEventListener('click', () => show(tab))
  tab.addEventListener('keydown', event => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (step === undefined) return
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length]
    show(next)
    next.focus()
  })
}

function show(chosen) {
  for (const tab of tabs) {
    const isChosen = tab === chosen
    tab.ariaSelected = String(isChosen)
    tab.tabIndex = isChosen ? 0 : -1
    byId(tab.getAttribute('aria-controls')).hidden = !isChosen
  }
}

const asked = new URLSearchParams(location.search).get('model')
if (asked !== null) card.load(asked)
