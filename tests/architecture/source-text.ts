// Reduces sources to what rules look at: code without comments, without strings, without the tests inside it. Line breaks
// stay, so that positions do too.

/** Code in which every comment, and every string if asked, is blank. For Rust and TypeScript; lifetimes are not strings. */
export function codeOf(text: string, strings: 'keep' | 'blank'): string {
  const pattern =
    /(\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(r(#*)"[\s\S]*?"\3|"(?:\\[\s\S]|[^"\\])*"|'(?:\\.[^'\n]*|[^'\\\n])'|'(?:\\.|[^'\\\n])*'(?=[\s)\],;:.}]|$)|`(?:\\[\s\S]|[^`\\])*`)/g
  return text.replace(pattern, (match: string, comment: string | undefined) =>
    comment !== undefined || strings === 'blank' ? match.replace(/[^\n]/g, ' ') : match,
  )
}

/** Rust code without the `#[cfg(test)] mod` at its end. */
export function withoutTests(text: string): string {
  const start = text.search(/^#\[cfg\(test\)\]\s*\n\s*mod \w+ \{/m)
  return start < 0 ? text : text.slice(0, start)
}

/** `line N: what`, for every match. */
export function findings(text: string, pattern: RegExp, what: (match: RegExpMatchArray) => string): string[] {
  return [...text.matchAll(pattern)].map(match => `line ${lineAt(text, match.index)}: ${what(match)}`)
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

/** The module that each import, re-export or dynamic import of a TypeScript file names. */
export function importsOf(text: string): readonly string[] {
  const code = codeOf(text, 'keep')
  const pattern = /(?:\bfrom|\bimport\s*\(?|\brequire\s*\()\s*(['"])([^'"\n]+)\1/g
  return [...code.matchAll(pattern)].map(match => match[2] as string)
}
