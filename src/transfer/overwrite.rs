//! What happens with files that are there already.

use serde::{Deserialize, Serialize};

/// What happens with files that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overwrite {
    /// The batch is refused before its first byte.
    #[default]
    Refuse,
    /// The new file becomes `name (1).ext`.
    Rename,
    /// The old file is replaced, atomically.
    Replace,
    /// The old file stays, the bytes of the new one are dropped.
    Skip,
}
