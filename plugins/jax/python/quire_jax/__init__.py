"""JAX as a framework for Quire. Nothing here imports jax until a worker opens it."""
