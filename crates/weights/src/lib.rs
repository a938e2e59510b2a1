//! Model files: safetensors, config.json and generation_config.json, checked before use.
