// The module and the JavaScript around it are of one release.

import test from 'ava'
import { expectVersion } from '../../ts/src/binding/wasm/load-wasm.js'
import { packageVersion } from '../../ts/src/config/package-version.js'
import { NativeBindingError } from '../../ts/src/errors.js'

test('the module of another release is refused, and what to install is said', t => {
  t.notThrows(() => expectVersion(packageVersion()))
  const error = t.throws(() => expectVersion('0.0.9'), { instanceOf: NativeBindingError, code: 'ERR_NATIVE_BINDING' })
  t.regex(error.message, new RegExp(`0\\.0\\.9.*@quire-llm/wasm@${packageVersion().replaceAll('.', '\\.')}`))
})
