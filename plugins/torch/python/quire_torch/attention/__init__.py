"""Attention over a paged cache: one interface, and what runs it on each device."""
