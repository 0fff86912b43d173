//! XML → values.

use super::{Body, ControlError};

pub(super) fn body(_bytes: &[u8]) -> Result<Body, ControlError> {
    unimplemented!()
}
