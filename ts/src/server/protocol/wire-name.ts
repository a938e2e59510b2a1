// How a field that is camelCase here is spelled on the wire.

/** Fields whose name is vLLM's, and not that of the parameter. */
const others: ReadonlyMap<string, string> = new Map([['extraArgs', 'vllm_xargs']])

/** `topP` is `top_p`. */
export function wireName(name: string): string {
  const other = others.get(name)
  if (other !== undefined) return other
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
