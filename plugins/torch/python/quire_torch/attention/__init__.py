"""Attention over a paged KV cache: one interface, and what implements it on which device."""
