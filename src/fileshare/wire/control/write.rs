//! Values → XML.

use super::Body;

pub(super) fn body(_body: &Body) -> String {
    unimplemented!()
}
