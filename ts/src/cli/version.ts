// The version, as the command prints it.

export { packageVersion as version } from '../config/package-version.js'
