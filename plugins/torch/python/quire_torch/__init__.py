"""PyTorch as a framework for Quire. Nothing here imports torch until a worker opens it."""
