#![expect(clippy::unimplemented, reason = "first landing")]
use super::{ConferenceInfo, ConferenceInfoError};
pub(super) fn document(_: &[u8]) -> Result<ConferenceInfo, ConferenceInfoError> {
    unimplemented!()
}
