//! The native door to the candle runner: convert, call, convert.
