//! Byte streams between roles of one process.

/// The meeting place of the roles of one process; clones are the same place. A role that is registered by
/// [`TransportConfig::local`](super::TransportConfig::local) is reached as `<role>.invalid` by [`Hop::local`](crate::sip::Hop::local).
#[derive(Debug, Clone, Default)]
pub struct LocalHub {}

impl LocalHub {
    /// A place where nobody is yet.
    pub fn new() -> Self {
        Self::default()
    }
}
