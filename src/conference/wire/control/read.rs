#![expect(clippy::unimplemented, reason = "first landing")]
use super::{Body, ControlError};
pub(super) fn body(_: &[u8]) -> Result<Body, ControlError> {
    unimplemented!()
}
