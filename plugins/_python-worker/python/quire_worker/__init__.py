"""The Python half of Quire's workers: protocol, checkpoints, and the interfaces that a framework implements."""
