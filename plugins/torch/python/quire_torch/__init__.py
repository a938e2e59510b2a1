"""Quire's models in PyTorch."""
