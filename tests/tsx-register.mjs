// Makes TypeScript loadable in ava's worker threads; `--import=tsx` alone reaches child processes only.
import { register } from 'tsx/esm/api'

register()
