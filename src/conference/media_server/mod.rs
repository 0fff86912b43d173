//! The media server (MS): a SIP user agent that mixes. Its signalling reaches media through [`plane`].
//!
//! | file | what |
//! |---|---|
//! | `plane` | the trait between signalling and media |
//! | `engine/` | the real plane: threads and sockets |
//! | `simulated` | the same rooms on virtual time |
//! | `ports` | the RTP port pairs of a range |

pub mod engine;
pub mod plane;
pub mod ports;
pub mod simulated;
