// An independent validator: ajv of the draft that a schema names, with formats.

import { Ajv, type Plugin, type ValidateFunction } from 'ajv'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as draft04 from 'ajv-draft-04'
import * as formats from 'ajv-formats'

type Schema = Record<string, unknown> | boolean

// Both packages are CommonJS with a default export of their own.
const addFormats =
  (formats.default as unknown as { default?: Plugin<unknown> }).default ??
  (formats.default as unknown as Plugin<unknown>)
const Ajv04 = ((draft04.default as unknown as { default?: typeof Ajv }).default ??
  draft04.default) as unknown as typeof Ajv

/** Undefined if no draft makes sense of the schema. */
export function validatorOf(schema: Schema): ValidateFunction | undefined {
  const dialect = typeof schema === 'object' ? String(schema.$schema ?? '') : ''
  const named = /draft-0[34]/.test(dialect)
    ? Ajv04
    : /draft-0[67]/.test(dialect)
      ? Ajv
      : /2019/.test(dialect)
        ? Ajv2019
        : Ajv2020
  for (const Validator of [named, Ajv2020, Ajv]) {
    try {
      const ajv = new Validator({ strict: false, validateFormats: true, logger: false })
      addFormats(ajv as Ajv)
      const known = Validator === named && !/draft-0[36]/.test(dialect)
      return ajv.compile(known || typeof schema === 'boolean' ? schema : { ...schema, $schema: undefined })
    } catch {
      // The next one may read it.
    }
  }
  return undefined
}
