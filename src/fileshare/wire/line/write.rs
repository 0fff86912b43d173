//! Values → SDP.

use super::{Line, Media};

pub(super) fn media(_line: &Line) -> Media {
    unimplemented!()
}
