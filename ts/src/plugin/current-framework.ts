// The RFC's global: `framework` is a live accessor of the Framework that was selected last and is still open. Each engine
// keeps its own instance, so this is a convenience for programs with one, never a way for the engine to find its framework.

import { InvalidArgumentError, NoFrameworkError } from '../errors.js'
import type { Device } from './device.js'
import type { DType, DTypeName, FloatInfo, TypedArray } from './dtype.js'
import type { Framework, Tensor, TensorOptions } from './framework.js'
import { isFrameworkMember, memberOf } from './framework-members.js'

/** The type of an element: `framework.half`, or its name. */
export type DTypeLike = DType | DTypeName

/** What a tensor is made with; PyTorch's defaults apply. */
export interface AccessorTensorOptions {
  /** Default: what `data` carries, else float32. */
  readonly dtype?: DTypeLike
  /** Default: the framework's current device. */
  readonly device?: Device
  readonly pinMemory?: boolean
}

/** Framework as programs call it: options have defaults, and a type may be given as `framework.half` or as its name. */
export interface FrameworkAccessor extends Omit<Framework, 'tensor' | 'zeros' | 'empty' | 'itemSize' | 'finfo'> {
  /** A tensor of `data` with `shape = [data.length]`. */
  tensor(data: TypedArray | readonly number[], options?: AccessorTensorOptions): Tensor
  /** A tensor of zeros. @throws OutOfMemoryError when the device has no room. */
  zeros(shape: readonly number[], options?: AccessorTensorOptions): Tensor
  /** A tensor of unspecified contents. @throws OutOfMemoryError when the device has no room. */
  empty(shape: readonly number[], options?: AccessorTensorOptions): Tensor
  /** Bytes of an element. */
  itemSize(dtype: DTypeLike): number
  /** Limits of a floating-point type. @throws InvalidArgumentError for a type that is none. */
  finfo(dtype: DTypeLike): FloatInfo
}

/** What has a framework while it is open: an engine, whose framework changes when its worker is replaced. */
interface FrameworkHolder {
  readonly framework: Framework
}

/** Open ones, the one selected last at the end. */
const selected: FrameworkHolder[] = []

/** Makes the framework of `holder` the one that the accessor speaks for. */
export function selectFramework(holder: FrameworkHolder): void {
  deselectFramework(holder)
  selected.push(holder)
}

/** Takes a closed one away: the accessor speaks for the one selected before it, if that is open. */
export function deselectFramework(holder: FrameworkHolder): void {
  const index = selected.indexOf(holder)
  if (index !== -1) selected.splice(index, 1)
}

/**
 * The selected framework's tensor, dtype, device and communication calls.
 * @throws NoFrameworkError before one is selected; NotSupportedError for a call that it lacks.
 */
export const framework: FrameworkAccessor = new Proxy({} as FrameworkAccessor, {
  get(_target, property) {
    const current = selected.at(-1)?.framework
    if (current !== undefined) return withDefaults(current, property) ?? memberOf(current, property)
    if (!isFrameworkMember(property)) return undefined
    throw new NoFrameworkError('No framework is selected yet: create an LLM, or await useFramework(name), first.')
  },
  has: (_target, property) => isFrameworkMember(property),
})

// A namespace whose member is named like what it stands for would mean itself.
type AnyTensor = Tensor
type AnyDType = DType
type AnyDevice = Device

/** Types that `framework` gives, for annotations: `framework.Tensor`. */
export declare namespace framework {
  /** An opaque tensor. */
  export type Tensor = AnyTensor
  /** An element type, such as `framework.half`. */
  export type DType = AnyDType
  /** A device: a kind and an index. */
  export type Device = AnyDevice
}

/** The accessor's own form of a call; undefined where the framework's is it. */
function withDefaults(current: Framework, property: PropertyKey): unknown {
  if (!isFrameworkMember(property) || current[property] === undefined) return undefined
  const complete = ({ dtype = 'float32', device, ...rest }: AccessorTensorOptions): TensorOptions => ({
    ...rest,
    dtype: nameOf(dtype),
    device: device ?? current.currentDevice(),
  })
  const calls: Partial<FrameworkAccessor> = {
    tensor: (data, options = {}) =>
      current.tensor(data, complete({ dtype: carriedBy(data, options.dtype), ...options })),
    zeros: (shape, options = {}) => current.zeros(shape, complete(options)),
    empty: (shape, options = {}) => current.empty(shape, complete(options)),
    itemSize: dtype => current.itemSize(nameOf(dtype)),
    finfo: dtype => current.finfo(nameOf(dtype)),
  }
  return calls[property]
}

function nameOf(dtype: DTypeLike): DTypeName {
  return typeof dtype === 'string' ? dtype : dtype.name
}

const carried: Readonly<Partial<Record<string, DTypeName>>> = {
  Float32Array: 'float32',
  Int8Array: 'int8',
  Uint8Array: 'uint8',
  Int32Array: 'int32',
  BigInt64Array: 'int64',
}

/** The type whose elements `data` holds, unless one was `asked`. @throws InvalidArgumentError where two types travel alike. */
function carriedBy(data: TypedArray | readonly number[], asked: DTypeLike | undefined): DTypeLike {
  if (asked !== undefined) return asked
  if (!ArrayBuffer.isView(data)) return 'float32'
  const dtype = carried[data.constructor.name]
  if (dtype !== undefined) return dtype
  throw new InvalidArgumentError('dtype', `A ${data.constructor.name} may hold several types: say which.`, asked)
}
