"""NumPy as a framework for Quire."""
