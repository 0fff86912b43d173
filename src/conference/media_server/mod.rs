//! The media server (MS): a SIP user agent that mixes. Its signalling reaches media through [`plane`].

pub mod plane;
