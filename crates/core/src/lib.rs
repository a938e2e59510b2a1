//! Scheduling and KV-block allocation as a state machine over integers.
