// Structural tags as grammars are given them: the tree of formats that XGrammar and vLLM have.

/** What an answer, or a part of it, may look like. */
export type TagFormat = Readonly<Record<string, unknown>>

/** Text between marks. */
export interface Tag {
  readonly begin: string
  readonly content: TagFormat
  readonly end: string
}

export const anyText: TagFormat = { type: 'any_text' }

export function constant(value: string): TagFormat {
  return { type: 'const_string', value }
}

export function matching(pattern: string): TagFormat {
  return { type: 'regex', pattern }
}

/** @param grammar in Lark or GBNF. */
export function inGrammar(grammar: string): TagFormat {
  return { type: 'grammar', grammar }
}

export function jsonOf(schema: unknown): TagFormat {
  return { type: 'json_schema', json_schema: schema }
}

export function sequence(...elements: readonly TagFormat[]): TagFormat {
  return { type: 'sequence', elements }
}

export function either(...elements: readonly TagFormat[]): TagFormat {
  return { type: 'or', elements }
}

/** One of `tags`, or with `several` more of them. */
export function oneOrMore(tags: readonly Tag[], separator: string, several: boolean): TagFormat {
  return {
    type: 'tags_with_separator',
    tags: tags.map(tag => ({ type: 'tag', ...tag })),
    separator,
    at_least_one: true,
    stop_after_first: !several,
  }
}

export function structuralTag(format: TagFormat): object {
  return { type: 'structural_tag', format }
}

/** The format of a structural tag, also of the older form with structures and triggers; undefined if it has none. */
export function formatOf(tag: unknown): TagFormat | undefined {
  if (typeof tag !== 'object' || tag === null) return undefined
  const { format, structures, triggers } = tag as TagFormat
  if (typeof format === 'object' && format !== null) return format as TagFormat
  if (!Array.isArray(structures)) return undefined
  const tags = (structures as (TagFormat | null)[]).map(structure => ({
    type: 'tag',
    begin: structure?.begin,
    content: jsonOf(structure?.schema ?? true),
    end: structure?.end,
  }))
  return { type: 'triggered_tags', triggers, tags }
}
