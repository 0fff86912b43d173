#![expect(clippy::unimplemented, reason = "first landing")]
use super::ConferenceInfo;
pub(super) fn document(_: &ConferenceInfo) -> String {
    unimplemented!()
}
