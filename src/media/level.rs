//! Levels and gains.

/// Largest gain either way, in dB; minus this much is silence.
pub const MAX_GAIN_DB: i8 = 40;
