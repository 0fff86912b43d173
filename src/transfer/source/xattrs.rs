//! Extended attributes as they are found.

use std::{ffi::CStr, fs::File, path::Path};

use rustix::{
    fs::{fgetxattr, flistxattr},
    io::Errno,
};

use super::{SourceError, io_error};
use crate::transfer::xattrs::{MAX_XATTR_BYTES, XattrError, Xattrs};

/// Most bytes of the names of all attributes of a file: what Linux gives.
const MAX_LIST: usize = 64 * 1024;

/// Those of users, of a file or folder; none where the file system knows nothing of them.
pub(super) fn of(path: &Path) -> Result<Xattrs, SourceError> {
    let file = File::open(path).map_err(io_error(path))?;
    let fault = |error: Errno| io_error(path)(error.into());
    let refused = |why| SourceError::Xattrs { path: path.display().to_string(), why };
    let mut list = vec![0; MAX_LIST];
    let listed = match flistxattr(&file, list.as_mut_slice()) {
        Ok(listed) => listed,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Xattrs::default()),
        Err(error) => return Err(fault(error)),
    };
    let mut all = Vec::new();
    for name in list.split_at(listed).0.split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if !Xattrs::is_users(&name.to_string_lossy()) {
            continue;
        }
        let Ok(text) = name.to_str() else { return Err(refused(XattrError::Name(crate::transfer::name::shown(&name.to_string_lossy())))) };
        let mut value = vec![0; MAX_XATTR_BYTES];
        match fgetxattr(&file, name, value.as_mut_slice()) {
            Ok(length) => value.truncate(length),
            // It was taken away meanwhile.
            Err(Errno::NODATA) => continue,
            Err(Errno::RANGE) => return Err(refused(XattrError::TooMany)),
            Err(error) => return Err(fault(error)),
        }
        value.shrink_to_fit();
        all.push((text.to_owned(), value));
    }
    Xattrs::new(all).map_err(refused)
}
