// When requests arrive: at once, at a rate with more or less burst, or at a rate that rises.

import { InvalidArgumentError } from '../../errors.js'
import type { RandomSource } from '../random-source.js'

export interface RampUp {
  readonly strategy: 'linear' | 'exponential'
  /** Requests per second. */
  readonly startRps: number
  readonly endRps: number
}

export interface Traffic {
  /** Requests per second; Infinity: all at once. */
  readonly requestRate: number
  /** Shape of the gamma distribution of the intervals: 1 is a Poisson process, less comes in bursts, Infinity is a metronome. */
  readonly burstiness: number
  readonly rampUp?: RampUp
}

/** @throws InvalidArgumentError. */
export function checkTraffic({ requestRate, burstiness, rampUp }: Traffic): void {
  if (!(requestRate > 0)) {
    throw new InvalidArgumentError('requestRate', 'The request rate must be above 0, or inf.', requestRate)
  }
  if (!(burstiness > 0)) throw new InvalidArgumentError('burstiness', 'Burstiness must be above 0.', burstiness)
  if (rampUp === undefined) return
  const { strategy, startRps, endRps } = rampUp
  if (requestRate !== Number.POSITIVE_INFINITY) {
    throw new InvalidArgumentError('requestRate', 'With a ramp-up there is no other request rate.', requestRate)
  }
  if (!(startRps >= 0 && endRps > 0 && startRps <= endRps)) {
    throw new InvalidArgumentError('rampUp', 'A ramp-up goes from a rate of at least 0 up to a higher one.', startRps)
  }
  if (strategy === 'exponential' && startRps === 0) {
    throw new InvalidArgumentError('rampUp', 'An exponential ramp-up cannot start at 0.', startRps)
  }
}

/** Milliseconds from the start to each of `count` arrivals. */
export function arrivalTimes(count: number, traffic: Traffic, random: RandomSource): Float64Array {
  const { requestRate, burstiness, rampUp } = traffic
  const times = new Float64Array(count)
  let now = 0
  for (let index = 0; index < count; index += 1) {
    now += interval(rateAt(index, count, traffic), burstiness, random)
    times[index] = now
  }
  if (rampUp === undefined && now > 0 && Number.isFinite(burstiness)) {
    // The sum of random intervals misses the asked rate by a little, which would be another rate for every seed.
    const factor = (count / requestRate) * (1000 / now)
    for (let index = 0; index < count; index += 1) times[index] = (times[index] as number) * factor
  }
  return times
}

/** Requests per second when request `index` is drawn. */
export function rateAt(index: number, count: number, { requestRate, rampUp }: Traffic): number {
  if (rampUp === undefined) return requestRate
  const { strategy, startRps, endRps } = rampUp
  const progress = index / Math.max(count - 1, 1)
  if (strategy === 'exponential') return startRps * (endRps / startRps) ** progress
  // A ramp from 0 would wait for ever at its foot: the first rate is that of the middle of its first step.
  return Math.max(startRps + (endRps - startRps) * progress, ((endRps - startRps) * 0.5) / Math.max(count, 1))
}

function interval(rate: number, burstiness: number, random: RandomSource): number {
  if (rate === Number.POSITIVE_INFINITY) return 0
  if (burstiness === Number.POSITIVE_INFINITY) return 1000 / rate
  return random.gamma(burstiness, 1000 / (rate * burstiness))
}
