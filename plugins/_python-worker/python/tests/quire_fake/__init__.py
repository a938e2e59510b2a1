"""A framework of NumPy arrays, with faults to order by QUIRE_FAKE_FAULT."""
