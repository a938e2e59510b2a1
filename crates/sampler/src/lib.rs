//! Logits rows to tokens; the caller passes the randomness.
