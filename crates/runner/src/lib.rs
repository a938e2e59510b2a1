//! The model runner for candle and the CPU: weights, KV cache and forward.
