// What this JavaScript engine can run, found out with the smallest modules that need it.

// The part of lib.dom that is needed, which Node has too.
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: boolean }) => object
}
declare const crossOriginIsolated: boolean | undefined

/** `f() { i8x16.splat(0); drop }` */
const SIMD = [0xfd, 0x0f, 0x1a]
/** `f() { f32x4.relaxed_madd(splat 0, splat 0, splat 0); drop }` */
const RELAXED_MADD = [0xfd, 0x85, 0x02, 0x1a]

export function supportsSimd(): boolean {
  return validates([0x41, 0x00, ...SIMD])
}

/** Fused multiplication and addition where the CPU has it: results are then those of the native kernels. */
export function supportsRelaxedSimd(): boolean {
  const zero = [0x43, 0x00, 0x00, 0x00, 0x00, 0xfd, 0x13] // f32.const 0; f32x4.splat
  return validates([...zero, ...zero, ...zero, ...RELAXED_MADD])
}

/** Pages that WebAssembly memory may have: 4 GiB. */
const MOST_PAGES = 65_536

/** Memory that Workers share: on pages that are cross-origin isolated, where so many addresses can be had. */
export function supportsThreads(): boolean {
  if (typeof crossOriginIsolated === 'undefined' || !crossOriginIsolated) return false
  try {
    return new WebAssembly.Memory({ initial: 1, maximum: MOST_PAGES, shared: true }) !== undefined
  } catch {
    return false
  }
}

/** Whether a module of one function without parameters and results is valid that has these instructions. */
function validates(instructions: readonly number[]): boolean {
  const body = [0x00, ...instructions, 0x0b]
  const code = [0x01, body.length, ...body]
  const bytes = [
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
    ...[0x03, 0x02, 0x01, 0x00],
    ...[0x0a, code.length, ...code],
  ]
  return WebAssembly.validate(new Uint8Array(bytes))
}
