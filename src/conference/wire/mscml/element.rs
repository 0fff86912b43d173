#![expect(clippy::unimplemented, reason = "first landing")]
use super::{Body, MscmlError};
pub(super) fn body(_: &[u8]) -> Result<Body, MscmlError> {
    unimplemented!()
}
pub(super) fn to_xml(_: &Body) -> String {
    unimplemented!()
}
