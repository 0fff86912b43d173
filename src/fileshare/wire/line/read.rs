//! SDP → values.

use std::net::SocketAddr;

use super::{Endpoint, Line, LineError, Media, Spelling};

pub(super) fn spelling(_media: &Media) -> Option<Spelling> {
    unimplemented!()
}

pub(super) fn line(_media: &Media) -> Result<Option<Line>, LineError> {
    unimplemented!()
}

pub(super) fn source(_line: &Line) -> Result<SocketAddr, LineError> {
    unimplemented!()
}

pub(super) fn endpoint(_line: &Line) -> Result<Endpoint, LineError> {
    unimplemented!()
}
