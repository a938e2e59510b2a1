"""Attention over the paged KV cache: one interface, one implementation for any device, one for Ascend."""
