// The grammar of a list of Python calls whose arguments are literals, as GBNF: what `pythonic` reads.

const LITERALS = String.raw`
argument ::= [A-Za-z_] [A-Za-z0-9_]* "=" value
value ::= string | number | "True" | "False" | "None" | list | dict
list ::= "[" (value (", " value)*)? "]"
dict ::= "{" (member (", " member)*)? "}"
member ::= string ": " value
number ::= "-"? ("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,15})?
string ::= "'" ([^'\\\n\r] | escape)* "'" | "\"" ([^"\\\n\r] | escape)* "\""
escape ::= "\\" ['"\\nrt]
`

export function pythonCallsGrammar(names: readonly string[], parallelToolCalls: boolean): string {
  const name = names.map(one => JSON.stringify(one)).join(' | ')
  const more = parallelToolCalls ? ' (", " call)*' : ''
  return `root ::= "[" call${more} "]"
call ::= (${name}) "(" (argument (", " argument)*)? ")"${LITERALS}`
}
