//! Conferences: the focus with its roster and policy (AS), the media server (MS), terminals.

pub mod media_server;
