//! Whether anything can be put into the folder of `--output`: asked before a code is spent, and so before it shows that what comes is a text. Its functions
//! block: call them from blocking threads.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::unistd::{AccessFlags, access};

use crate::cli::{ExitCode, Failure, output::safe_line};

/// What there is of a folder, which is made where it is not there, can be written to.
///
/// # Errors
/// It is no folder (2), or nothing may be put into it (3).
pub fn usable(folder: &Path) -> Result<(), Failure> {
    let shown = safe_line(&folder.display().to_string());
    let there = nearest(folder);
    let meta = fs::metadata(&there).map_err(|error| refused(&shown, &error))?;
    if !meta.is_dir() {
        return Err(Failure::usage(format!("--output {shown}: {} is not a folder", safe_line(&there.display().to_string())))
            .hint("name a folder, or - to write one file to standard output"));
    }
    access(&there, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|error| refused(&shown, &error.into()))
}

/// The folder itself, or the one that is to have it.
fn nearest(folder: &Path) -> PathBuf {
    let mut above = folder.ancestors().filter(|above| !above.as_os_str().is_empty());
    above.find(|above| above.symlink_metadata().is_ok()).map_or_else(|| PathBuf::from("."), Path::to_owned)
}

fn refused(shown: &str, error: &io::Error) -> Failure {
    Failure::new(ExitCode::Denied, format!("--output {shown}: you cannot write there: {error}"))
        .hint("name another folder with --output (a text, too, can go to one, or to --output -)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_to_be_made_is_usable_where_the_one_above_it_is() {
        let here = tempfile::tempdir().expect("a folder");
        fs::write(here.path().join("notes.txt"), b"notes").expect("written");
        for (folder, expected) in
            [("", Ok(())), ("new/deep", Ok(())), ("notes.txt", Err(ExitCode::Usage)), ("notes.txt/below", Err(ExitCode::Usage))]
        {
            assert_eq!(usable(&here.path().join(folder)).map_err(|failure| failure.code), expected, "{folder}");
        }
        assert_eq!(nearest(Path::new("surely-not-here/deep")), Path::new("."));
        assert!(usable(Path::new("/proc/version/x")).is_err_and(|failure| failure.hint.is_some()));
    }
}
