// Windows over one allocation: shape, strides and offset, and the arithmetic of narrow and view. Nothing here touches data,
// so that every framework narrows and views by the same rules: PyTorch's.

import { InvalidArgumentError } from '../errors.js'

/** The element at `index` lies at `offset + sum(index[d] * strides[d])` of its allocation. All count elements. */
export interface Window {
  /** Size of each dimension. */
  readonly shape: readonly number[]
  /** Elements from one index of a dimension to the next. */
  readonly strides: readonly number[]
  /** Elements before the first one. */
  readonly offset: number
}

/** Row-major strides of a shape, in elements. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1)
  for (let d = shape.length - 2; d >= 0; d -= 1) strides[d] = at(strides, d + 1) * at(shape, d + 1)
  return strides
}

/** Elements of a shape. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** The range `[start, start + length)` of dimension `dim` (negative counts from the end). @throws InvalidArgumentError. */
export function narrowWindow(window: Window, dim: number, start: number, length: number): Window {
  const { shape, strides, offset } = window
  const axis = dim < 0 ? dim + shape.length : dim
  if (!Number.isInteger(dim) || axis < 0 || axis >= shape.length) {
    throw new InvalidArgumentError('dim', `A tensor of ${shape.length} dimensions has no dimension ${dim}.`, dim)
  }
  const size = at(shape, axis)
  if (!Number.isInteger(start) || !Number.isInteger(length) || start < 0 || length < 0 || start + length > size) {
    throw new InvalidArgumentError(
      'start',
      `The range [${start}, ${start + length}) is not within dimension ${dim} of size ${size}.`,
      start,
    )
  }
  return {
    shape: shape.map((each, d) => (d === axis ? length : each)),
    strides,
    offset: offset + start * at(strides, axis),
  }
}

/**
 * The same elements, in order, in another shape; one size may be -1.
 * @throws InvalidArgumentError where the elements do not fit, or where strides allow it only by copying.
 */
export function viewWindow(window: Window, asked: readonly number[]): Window {
  const shape = inferShape(window, asked)
  if (elementsOf(shape) === 0) return { shape, strides: contiguousStrides(shape), offset: window.offset }
  const strides = new Array<number>(shape.length).fill(1)
  let d = shape.length - 1
  for (const run of contiguousRuns(window)) {
    let stride = run.stride
    let elements = 1
    while (d >= 0 && (elements < run.elements || at(shape, d) === 1)) {
      strides[d] = stride
      stride *= at(shape, d)
      elements *= at(shape, d)
      d -= 1
    }
    if (elements !== run.elements) {
      throw new InvalidArgumentError(
        'shape',
        `A tensor of shape [${window.shape.join(', ')}] and strides [${window.strides.join(', ')}] cannot be viewed as [${shape.join(', ')}] without a copy.`,
        shape,
      )
    }
  }
  return { shape, strides, offset: window.offset }
}

/** Neighbouring dimensions that lie in memory as one, from the last to the first. */
function contiguousRuns({ shape, strides }: Window): { elements: number; stride: number }[] {
  const runs: { elements: number; stride: number }[] = []
  for (let d = shape.length - 1; d >= 0; d -= 1) {
    const [size, stride] = [at(shape, d), at(strides, d)]
    if (size === 1) continue
    const last = runs.at(-1)
    if (last !== undefined && stride === last.elements * last.stride) last.elements *= size
    else runs.push({ elements: size, stride })
  }
  return runs.length === 0 ? [{ elements: 1, stride: 1 }] : runs
}

function inferShape({ shape }: Window, asked: readonly number[]): number[] {
  const total = elementsOf(shape)
  const known = asked.filter(size => size !== -1)
  const rest = elementsOf(known)
  const sound = known.every(size => Number.isInteger(size) && size >= 0) && asked.length - known.length <= 1
  const inferred = asked.map(size => (size === -1 ? total / rest : size))
  if (!sound || !inferred.every(Number.isInteger) || elementsOf(inferred) !== total) {
    throw new InvalidArgumentError(
      'shape',
      `A tensor of ${total} elements cannot be viewed as [${asked.join(', ')}].`,
      asked,
    )
  }
  return inferred
}

function at(list: readonly number[], index: number): number {
  return list[index] as number
}
