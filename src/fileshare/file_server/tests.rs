//! Ladders of the signalling.
