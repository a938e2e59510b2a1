// Logprobs as replies spell them: those of completions (four lists), of chats (a list of tokens) and of prompts (a table of ids).

import { z } from 'zod'
import type { RankedToken, TokenLogprob } from '../../engine/index.js'

/** What stands for minus infinity, which JSON does not have. */
const LEAST = -9999

export const completionLogprobsSchema = z.object({
  text_offset: z.array(z.int()),
  token_logprobs: z.array(z.number().nullable()),
  tokens: z.array(z.string()),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()),
})

const chatToken = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()).nullable() })

export const chatLogprobsSchema = z.object({
  content: z.array(chatToken.extend({ top_logprobs: z.array(chatToken) })).nullable(),
})

const rankedToken = z.object({ logprob: z.number(), rank: z.int(), decoded_token: z.string() })

export const promptLogprobsSchema = z.array(z.record(z.string(), rankedToken).nullable())

export type CompletionLogprobsBody = z.output<typeof completionLogprobsSchema>
export type ChatLogprobsBody = z.output<typeof chatLogprobsSchema>
export type PromptLogprobsBody = z.output<typeof promptLogprobsSchema>

export interface LogprobStyle {
  /** How many alternatives are shown at each position; -1 = all. */
  readonly top: number
  /** Write tokens as `token_id:N`. */
  readonly asTokenIds: boolean
}

/** A position of a prompt's beginning: its id is known, its logprob is not. */
export interface BarePosition {
  readonly tokenId: number
  readonly decodedToken: string
}

/** The four lists of these positions, which begin at these characters of the choice's text. */
export function completionLogprobs(
  positions: readonly (TokenLogprob | BarePosition)[],
  offsets: readonly number[],
  style: LogprobStyle,
): CompletionLogprobsBody {
  return {
    text_offset: [...offsets],
    token_logprobs: positions.map(position => ('top' in position ? finite(position.logprob) : null)),
    tokens: positions.map(position => tokenText(position, style)),
    top_logprobs: positions.map(position => ('top' in position ? topByToken(position, style) : null)),
  }
}

/** The sampled token and the likeliest; of ids with the same text the likelier stays. */
function topByToken({ top }: TokenLogprob, style: LogprobStyle): Record<string, number> {
  const shown = style.top === -1 ? top : top.slice(0, style.top + 1)
  const entries = new Map<string, number>()
  for (const entry of shown) {
    const token = tokenText(entry, style)
    const logprob = finite(entry.logprob)
    entries.set(token, Math.max(entries.get(token) ?? LEAST, logprob))
  }
  return Object.fromEntries(entries)
}

export function chatLogprobs(positions: readonly TokenLogprob[], style: LogprobStyle): ChatLogprobsBody {
  return {
    content: positions.map(position => ({
      ...chatEntry(position, style),
      top_logprobs: likeliest(position, style.top).map(entry => chatEntry(entry, style)),
    })),
  }
}

/** The `top` likeliest by rank, whether the sampled one is among them or not. */
function likeliest({ top }: TokenLogprob, count: number): readonly RankedToken[] {
  if (count === 0) return []
  const ranked = top.toSorted((a, b) => a.rank - b.rank)
  return count === -1 ? ranked : ranked.slice(0, count)
}

const encoder = new TextEncoder()

function chatEntry(entry: RankedToken, style: LogprobStyle): { token: string; logprob: number; bytes: number[] } {
  return {
    token: tokenText(entry, style),
    logprob: finite(entry.logprob),
    bytes: Array.from(encoder.encode(entry.decodedToken)),
  }
}

export function promptLogprobs(positions: readonly (TokenLogprob | null)[]): PromptLogprobsBody {
  return positions.map(position => {
    if (position === null) return null
    return Object.fromEntries(
      position.top.map(({ tokenId, logprob, rank, decodedToken }) => [
        tokenId,
        { logprob: finite(logprob), rank, decoded_token: decodedToken },
      ]),
    )
  })
}

function tokenText(
  { tokenId, decodedToken }: { readonly tokenId: number; readonly decodedToken: string },
  { asTokenIds }: LogprobStyle,
): string {
  return asTokenIds ? `token_id:${tokenId}` : decodedToken
}

function finite(logprob: number): number {
  return Math.max(logprob, LEAST)
}
