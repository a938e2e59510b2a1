// What to tell somebody whose machine cannot load the native module: the reason, every file tried, the command that helps.

import { NativeBindingError } from '../errors.js'
import type { NativeAddon } from './native-addon.js'
import { glibcVersion, type NativePlatform, PUBLISHED_PLATFORMS, platformName } from './native-platform.js'

/** Why a file was not loaded. */
export type Fault =
  | { readonly kind: 'missing' }
  | { readonly kind: 'corrupt' }
  | { readonly kind: 'foreign'; readonly madeFor: string }
  | { readonly kind: 'version'; readonly wanted: string; readonly found: string }
  | { readonly kind: 'load'; readonly cause: unknown }

export interface Attempt {
  /** A path, or the name of a package that is not installed. */
  readonly place: string
  readonly fault: Fault
}

export interface FailedSearch {
  readonly addon: NativeAddon
  readonly platform: NativePlatform
  readonly attempts: readonly Attempt[]
  /** The platforms whose packages are installed. */
  readonly installed: readonly string[]
}

interface Explanation {
  /** In `details.reason`. */
  readonly reason:
    | 'missing'
    | 'corrupt'
    | 'other-platform'
    | 'other-libc'
    | 'old-glibc'
    | 'other-version'
    | 'not-published'
    | 'load'
  readonly text: string
  readonly help: string
}

/** The error for a search that found nothing to load. */
export function nativeFailure(search: FailedSearch): NativeBindingError {
  const { addon, attempts } = search
  const platform = platformName(search.platform)
  const { reason, text, help } = explain(search, platform)
  const tried = attempts.map(({ place, fault }) => `${place} (${remark(fault)})`)
  const cause = attempts.map(({ fault }) => (fault.kind === 'load' ? fault.cause : undefined)).find(Boolean)
  return new NativeBindingError(
    `The native module of ${addon.owner} for ${platform} cannot be loaded: ${text}\nTried: ${tried.join(', ')}.\n${help} In a clone of the repository run \`npm run build\`.`,
    { cause, details: { platform, reason, tried: attempts.map(({ place }) => place) } },
  )
}

function explain({ addon, attempts, installed }: FailedSearch, platform: string): Explanation {
  const published: readonly string[] = PUBLISHED_PLATFORMS
  const reinstall = `Run \`npm install ${addon.packages}-${platform}\`, or remove node_modules and install again without --omit=optional.`
  const again = `Remove node_modules and run \`npm install\` on this machine (for a container, inside of it).`
  const found = attempts.find(({ fault }) => fault.kind !== 'missing')
  if (found !== undefined) return explainFault(found, platform, { reinstall, again })
  if (!published.includes(platform)) {
    const text = `there is no package for this platform; there are some for ${published.join(', ')}.`
    return { reason: 'not-published', text, help: 'Build it from source.' }
  }
  const [other] = installed
  if (other === undefined) return { reason: 'missing', text: 'it is not installed.', help: reinstall }
  const isLibc = other.replace(/-\w+$/, '') === platform.replace(/-\w+$/, '')
  return {
    reason: isLibc ? 'other-libc' : 'other-platform',
    text: `node_modules has ${addon.packages}-${other}, so it was installed for another ${isLibc ? 'C library' : 'platform'}.`,
    help: again,
  }
}

function explainFault(
  { place, fault }: Attempt,
  platform: string,
  { reinstall, again }: { readonly reinstall: string; readonly again: string },
): Explanation {
  switch (fault.kind) {
    case 'missing':
    case 'corrupt':
      return { reason: 'corrupt', text: `${place} is damaged or incomplete.`, help: reinstall }
    case 'foreign':
      return { reason: 'other-platform', text: `${place} was made for ${fault.madeFor}.`, help: again }
    case 'version':
      return {
        reason: 'other-version',
        text: `${place} has version ${fault.found}, and version ${fault.wanted} is needed.`,
        help: again,
      }
    case 'load':
      return explainLoad(place, messageOf(fault.cause), platform, again)
  }
}

/** Turns what dlopen says into what it means. */
function explainLoad(place: string, message: string, platform: string, again: string): Explanation {
  const glibc = /version [`']GLIBC_([\d.]+)' not found/.exec(message)?.[1]
  if (glibc !== undefined) {
    const text = `it needs glibc ${glibc} or newer, and this system has ${glibcVersion() ?? 'an older one'}.`
    return { reason: 'old-glibc', text, help: 'Use a newer release of the system, or build it from source.' }
  }
  const isForOtherLibc = platform.endsWith('-musl')
    ? /ld-linux|libc\.so\.6|symbol not found/.test(message)
    : /libc\.musl|ld-musl|libc\.so: /.test(message)
  if (isForOtherLibc) {
    const [mine, other] = platform.endsWith('-musl') ? ['musl', 'glibc'] : ['glibc', 'musl']
    return { reason: 'other-libc', text: `${place} was made for ${other}, and this system has ${mine}.`, help: again }
  }
  return { reason: 'load', text: `${message}.`, help: again }
}

function remark(fault: Fault): string {
  switch (fault.kind) {
    case 'missing':
      return 'not there'
    case 'corrupt':
      return 'damaged'
    case 'foreign':
      return `made for ${fault.madeFor}`
    case 'version':
      return `version ${fault.found}`
    case 'load':
      return messageOf(fault.cause)
  }
}

function messageOf(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).trim().replace(/\.$/, '')
}
