//! Conferences: the focus with its roster and policy (AS), the media server (MS), terminals, and the bodies they exchange
//! (CN101272266A, steps S301–S313).

pub mod audio;
pub mod called;
pub mod client;
pub mod companion;
pub mod focus;
pub mod media_server;
pub mod policy;
pub mod roster;
pub mod server;
pub mod servers;
pub mod wire;
