// What a token's probability was, and what else could have stood there: shown where the pointer is, where a finger taps, and
// where the arrow keys are in a text that has the focus.

import { element } from './element.js'
import { tokenText } from './token-aligner.js'

const MARGIN_PIXELS = 8
const percent = new Intl.NumberFormat('en', { style: 'percent', maximumSignificantDigits: 3 })

export class TokenInspector {
  #card
  #announce
  #tokens = new WeakMap()
  #shown

  /** `container` has all texts, `card` is filled and moved, `announce` says a line to screen readers. */
  constructor({ container, card, announce }) {
    this.#card = card
    this.#announce = announce
    container.addEventListener('pointerover', event => this.#point(event.target))
    container.addEventListener('pointerleave', () => this.hide())
    container.addEventListener('click', event => this.#point(event.target))
    container.addEventListener('keydown', event => this.#key(event))
    container.addEventListener('focusout', () => this.hide())
    document.addEventListener('scroll', () => this.hide(), { capture: true, passive: true })
  }

  /** An element that shows a token. */
  tokenElement(text, token) {
    const made = element('span', { className: 'token', text })
    const probability = Math.exp(token.logprob)
    made.style.setProperty('--surprise', String(1 - probability))
    this.#tokens.set(made, token)
    return made
  }

  hide() {
    this.#shown?.classList.remove('inspected')
    this.#shown = undefined
    this.#card.hidden = true
  }

  #point(target) {
    if (this.#tokens.has(target)) this.#show(target)
    else this.hide()
  }

  #key(event) {
    const text = event.target
    if (!text.classList.contains('text')) return
    if (event.key === 'Escape' && this.#shown !== undefined) {
      event.stopPropagation()
      this.hide()
      return
    }
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (step === undefined) return
    const tokens = [...text.querySelectorAll('.token')]
    if (tokens.length === 0) return
    event.preventDefault()
    const from = this.#shown === undefined ? (step > 0 ? -1 : tokens.length) : tokens.indexOf(this.#shown)
    const next = tokens[Math.min(tokens.length - 1, Math.max(0, from + step))]
    next.scrollIntoView({ block: 'nearest' })
    this.#show(next)
    const { token, logprob } = this.#tokens.get(next)
    this.#announce(`${visible(token)}, ${percent.format(Math.exp(logprob))}`)
  }

  #show(target) {
    if (target === this.#shown) return
    this.hide()
    this.#shown = target
    target.classList.add('inspected')
    this.#card.replaceChildren(...cardContent(this.#tokens.get(target)))
    this.#card.hidden = false
    this.#move(target)
  }

  #move(target) {
    // The first line's box: a token may be broken over two.
    const at = target.getClientRects()[0] ?? target.getBoundingClientRect()
    const { offsetWidth, offsetHeight } = this.#card
    const left = Math.min(at.left, innerWidth - offsetWidth - MARGIN_PIXELS)
    const above = at.top - offsetHeight - MARGIN_PIXELS
    const top = above >= MARGIN_PIXELS ? above : at.bottom + MARGIN_PIXELS
    this.#card.style.setProperty('left', `${Math.max(MARGIN_PIXELS, left)}px`)
    this.#card.style.setProperty('top', `${top}px`)
  }
}

function cardContent(token) {
  const others = token.top_logprobs ?? []
  const isAmong = others.some(other => isSame(other, token))
  const rows = (isAmong ? others : [...others, token]).map(entry => row(entry, isSame(entry, token)))
  return [
    element(
      'p',
      { className: 'inspector-head' },
      element('code', { text: visible(tokenText(token)) }),
      element('strong', { text: percent.format(Math.exp(token.logprob)) }),
    ),
    element('ol', { className: 'alternatives' }, ...rows),
  ]
}

function row(entry, isChosen) {
  const probability = Math.exp(entry.logprob)
  const made = element(
    'li',
    { className: isChosen ? 'chosen' : '' },
    element('code', { text: visible(tokenText(entry)) }),
    element('span', { className: 'share', text: percent.format(probability) }),
  )
  made.style.setProperty('--share', String(probability))
  return made
}

function isSame(one, other) {
  return one.token === other.token && one.logprob === other.logprob
}

/** Spaces and ends of lines as signs that can be seen. */
function visible(text) {
  if (text === '') return '(nothing)'
  return text.replaceAll('\n', '↵').replaceAll('\t', '⇥').replaceAll(' ', '␣')
}
