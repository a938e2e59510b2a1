// How a field that is camelCase here is spelled on the wire.

/** `topP` is `top_p`. */
export function wireName(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
