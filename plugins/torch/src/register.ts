// `import '@quire-llm/torch/register'`: makes the plugin known where discovery cannot look, as in bundled apps.

import { registerPlugin } from 'quire-llm/plugin'
import { plugin } from './plugin.js'

registerPlugin(plugin)
