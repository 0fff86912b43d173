//! Extended attributes as they are found.

use std::{ffi::CStr, fs::File, path::Path};

use rustix::{
    fs::{fgetxattr, flistxattr},
    io::Errno,
};

use super::{SourceError, io_error};
use crate::transfer::{
    name::shown,
    xattrs::{MAX_XATTR_BYTES, MAX_XATTRS, XattrError, Xattrs},
};

/// Most bytes of the names of all attributes of a file: what Linux gives.
const MAX_LIST: usize = 64 * 1024;

/// Reads those of one file or folder after the other, and no more of all of them than may travel.
pub(super) struct Reader {
    list: Vec<u8>,
    value: Vec<u8>,
    /// Bytes that those to come may have as JSON.
    left: usize,
}

impl Reader {
    /// Up to so many bytes of all, as JSON.
    pub(super) fn new(most: usize) -> Self {
        Self { list: vec![0; MAX_LIST], value: vec![0; MAX_XATTR_BYTES], left: most }
    }

    /// Those of users, of a file or folder; none where the file system knows nothing of them.
    pub(super) fn read(&mut self, path: &Path) -> Result<Xattrs, SourceError> {
        let file = File::open(path).map_err(io_error(path))?;
        let fault = |error: Errno| io_error(path)(error.into());
        let refused = |why| SourceError::Xattrs { path: path.display().to_string(), why };
        let listed = match flistxattr(&file, self.list.as_mut_slice()) {
            Ok(listed) => listed,
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Xattrs::default()),
            Err(error) => return Err(fault(error)),
        };
        let (mut all, mut bytes) = (Vec::new(), 0);
        for name in self.list.split_at(listed).0.split_inclusive(|byte| *byte == 0) {
            let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
            if !Xattrs::is_users(&name.to_string_lossy()) {
                continue;
            }
            let Ok(text) = name.to_str() else { return Err(refused(XattrError::Name(shown(&name.to_string_lossy())))) };
            let length = match fgetxattr(&file, name, self.value.as_mut_slice()) {
                Ok(length) => length,
                // It was taken away meanwhile.
                Err(Errno::NODATA) => continue,
                Err(Errno::RANGE) => return Err(refused(XattrError::TooMany)),
                Err(error) => return Err(fault(error)),
            };
            bytes += length;
            // Some file systems hold thousands of them.
            if all.len() == MAX_XATTRS || bytes > MAX_XATTR_BYTES {
                return Err(refused(XattrError::TooMany));
            }
            all.push((text.to_owned(), self.value.split_at(length).0.to_vec()));
        }
        let xattrs = Xattrs::new(all).map_err(refused)?;
        self.left = self.left.checked_sub(xattrs.least_json()).ok_or_else(|| refused(XattrError::Sum))?;
        Ok(xattrs)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{XattrFlags, setxattr};

    use super::*;
    use crate::transfer::shown::not_shown;

    #[test]
    fn those_of_all_files_together_are_read_up_to_the_bound_of_a_batch() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.txt");
        fs::write(&path, b"notes").expect("written");
        let set = |name: &str, value: &[u8]| setxattr(&path, name, value, XattrFlags::empty());
        if let Err(error) = set("user.origin", &[7; 900]).and_then(|()| set("user.b", b"")) {
            return not_shown(&format!("this file system has no extended attributes: {error}"));
        }
        // 11 and 1200 bytes, 6 and none, and what is around them.
        let mut reader = Reader::new(3 * 1229 + 1228);
        for _ in 0..3 {
            let read = reader.read(&path).expect("few");
            let mut sizes: Vec<_> = read.iter().map(|(name, value)| (name, value.len())).collect();
            sizes.sort_unstable();
            assert_eq!(sizes, [("user.b", 0), ("user.origin", 900)]);
        }
        let error = reader.read(&path).expect_err("too many").to_string();
        assert!(error.contains("notes.txt has") && error.contains("files before it") && error.contains("without --xattrs"), "{error}");
        let bare = folder.path().join("bare");
        fs::write(&bare, b"").expect("written");
        assert!(reader.read(&bare).expect("none").is_empty());
    }
}
