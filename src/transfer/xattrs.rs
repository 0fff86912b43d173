//! Extended attributes of files and folders: those of users (`user.*`), which mean nothing to a system, and within bounds.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{manifest::MAX_MANIFEST, name::shown};

/// Most attributes of a file.
pub const MAX_XATTRS: usize = 64;
/// Most bytes of an attribute's name, its `user.` included: what Linux takes.
pub const MAX_XATTR_NAME: usize = 255;
/// Most bytes of a file's attributes, names and values together.
pub const MAX_XATTR_BYTES: usize = 64 * 1024;

/// What all names begin with.
const USER: &str = "user.";

/// Attributes that do not travel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XattrError {
    /// Over [`MAX_XATTRS`] or [`MAX_XATTR_BYTES`].
    #[error("more extended attributes than {MAX_XATTRS}, or than {MAX_XATTR_BYTES} bytes of them")]
    TooMany,
    /// With those of the files before, more than [`MAX_MANIFEST`].
    #[error(
        "extended attributes that are, with those of the files before it, more than the {MAX_MANIFEST} bytes that a batch may have of them"
    )]
    Sum,
    /// Not a user's, too long, or of characters that a terminal would obey.
    #[error("the extended attribute \"{0}\", which is not of the kind that users set")]
    Name(String),
    /// A value that is not base64url.
    #[error("the extended attribute \"{0}\" without a value")]
    Value(String),
}

/// The extended attributes of a file, by their names. As JSON an object of values in base64url without padding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Xattrs(BTreeMap<String, Vec<u8>>);

impl Xattrs {
    /// Checks them.
    ///
    /// # Errors
    /// One of them does not travel, or there are too many.
    pub fn new(all: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, XattrError> {
        let (mut checked, mut bytes) = (BTreeMap::new(), 0usize);
        for (name, value) in all {
            if !Self::is_users(&name) || name.len() > MAX_XATTR_NAME || name.chars().any(char::is_control) {
                return Err(XattrError::Name(shown(&name)));
            }
            bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
            checked.insert(name, value);
            if checked.len() > MAX_XATTRS || bytes > MAX_XATTR_BYTES {
                return Err(XattrError::TooMany);
            }
        }
        Ok(Self(checked))
    }

    /// Whether an attribute of this name is a user's: others mean something to the system, and stay where they are.
    pub fn is_users(name: &str) -> bool {
        name.len() > USER.len() && name.starts_with(USER)
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fewest bytes that they are as JSON.
    pub fn least_json(&self) -> usize {
        // `"name":"value"`, and a comma or a brace; in a name more characters may be escaped.
        let each = |(name, value): (&str, &[u8])| name.len().saturating_add(value.len().saturating_mul(4).div_ceil(3)).saturating_add(6);
        self.iter().map(each).fold(0, usize::saturating_add)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }
}

impl TryFrom<BTreeMap<String, String>> for Xattrs {
    type Error = XattrError;

    fn try_from(wire: BTreeMap<String, String>) -> Result<Self, XattrError> {
        let decode = |(name, value): (String, String)| match URL_SAFE_NO_PAD.decode(value) {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(XattrError::Value(shown(&name))),
        };
        if wire.len() > MAX_XATTRS {
            return Err(XattrError::TooMany);
        }
        Self::new(wire.into_iter().map(decode).collect::<Result<Vec<_>, _>>()?)
    }
}

impl From<Xattrs> for BTreeMap<String, String> {
    fn from(xattrs: Xattrs) -> Self {
        xattrs.0.into_iter().map(|(name, value)| (name, URL_SAFE_NO_PAD.encode(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Xattrs, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn attributes_of_users_are_written_and_read_again() {
        let xattrs = Xattrs::new([("user.b".to_owned(), vec![0, 255]), ("user.a".to_owned(), Vec::new())]).expect("fine");
        let json = serde_json::to_string(&xattrs).expect("JSON");
        assert_eq!(json, "{\"user.a\":\"\",\"user.b\":\"AP8\"}");
        // But for the brace at its start.
        assert_eq!((xattrs.least_json(), Xattrs::default().least_json()), (json.len() - 1, 0));
        assert_eq!(read(&json), Ok(xattrs));
    }

    #[test]
    fn what_means_something_to_a_system_and_what_is_too_much_is_refused() {
        for name in
            ["security.selinux", "trusted.x", "system.posix_acl_access", "user.", "user", "", "User.x", "user.a\nb", "user.\u{1b}[2J"]
        {
            let json = serde_json::to_string(&BTreeMap::from([(name, "")])).expect("JSON");
            assert!(
                read(&json).is_err_and(|error| error.contains("not of the kind that users set") && !error.contains('\u{1b}')),
                "{name:?}"
            );
        }
        assert!(read("{\"user.a\":\"=\"}").is_err_and(|error| error.contains("without a value")));
        let of = |count: usize, len: usize| Xattrs::new((0..count).map(|at| (format!("user.{at:03}"), vec![1; len])));
        assert!(of(64, 1000).is_ok());
        assert_eq!(of(65, 1), Err(XattrError::TooMany));
        assert_eq!(of(1, 64 * 1024), Err(XattrError::TooMany));
        assert!(Xattrs::new([(format!("user.{}", "x".repeat(250)), Vec::new())]).is_ok());
        assert!(Xattrs::new([(format!("user.{}", "x".repeat(251)), Vec::new())]).is_err());
    }
}
