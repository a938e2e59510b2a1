//! Transformer architectures over a small Backend trait.
