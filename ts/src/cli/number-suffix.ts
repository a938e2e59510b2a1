// Numbers as people write them: 1k = 1000, 1K = 1024, 1.5m = 1500000; decimals with small letters only, as vLLM has it.

const DECIMAL: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, g: 1e9, t: 1e12 }
const BINARY: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** NaN for what is no number. */
export function numberOf(text: string): number {
  const match = /^([-+]?\d+(?:\.\d+)?)([kmgt]|[KMGT])$/.exec(text.trim())
  if (match === null) return text.trim() === '' ? Number.NaN : Number(text)
  const [, digits = '', suffix = ''] = match
  const binary = BINARY[suffix]
  if (binary !== undefined) return digits.includes('.') ? Number.NaN : Number(digits) * binary
  return Math.round(Number(digits) * (DECIMAL[suffix] ?? Number.NaN))
}
