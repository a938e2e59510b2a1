// zod's own way to a JSON schema, loaded only for schemas of releases that do not offer it by the shared interface.

export { toJSONSchema } from 'zod/v4/core'
