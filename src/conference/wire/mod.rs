//! The bodies of a conference: bytes ⇄ values. Bounded, never panicking, no sockets, no clock.
//!
//! | body | content type | file |
//! |---|---|---|
//! | media server control (RFC 5022) | `application/mediaservercontrol+xml` | [`mscml`] |
//! | control of conferences by a shell | `application/vnd.confkit.conference+xml` | [`control`] |
//! | conference event package (RFC 4575) | `application/conference-info+xml` | [`conference_info`] |
//! | what a server offers and carries | `application/vnd.confkit.services+xml` | [`services`] |
//! | several of these in one message (RFC 2046) | `multipart/mixed` | [`multipart`] |
//!
//! XML is read by roxmltree behind the limits of [`xml`], and written by quick-xml.

#[macro_use]
pub(crate) mod words;

pub mod conference_info;
pub mod control;
pub(crate) mod fields;
pub mod mscml;
pub mod multipart;
pub mod services;
pub mod timestamp;
pub mod xml;

pub use timestamp::Timestamp;
pub use xml::XmlError;
