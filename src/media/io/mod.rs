//! The shell of this floor: the tick of a media thread, port pairs, and sockets drained in batches.
//!
//! Media sockets are non-blocking and belong to no reactor: a wake-up per packet costs more than receiving, mixing and sending it.

pub mod batch;
pub mod pair;
pub mod priority;
pub mod ticker;
