//! Whether anything can be put into the folder of `--output`: asked before a code is spent, and so before it shows that what comes is a text. Its functions
//! block: call them from blocking threads.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::unistd::{AccessFlags, access};

use crate::{
    cli::{ExitCode, Failure, output::safe_line},
    transfer::SafePath,
};

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

/// The folder of `--output-file`.
///
/// # Errors
/// The file has no name there, or is a folder (2).
pub fn folder_of(file: &Path) -> Result<PathBuf, Failure> {
    name_of(file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok(folder.map_or_else(|| PathBuf::from("."), Path::to_owned))
}

/// The name of `--output-file` in its folder.
///
/// # Errors
/// It is none for a file (2).
pub fn name_of(file: &Path) -> Result<SafePath, Failure> {
    let shown = safe_line(&file.display().to_string());
    let named = file.as_os_str().to_str().filter(|text| !text.ends_with('/') && *text != "-").and(file.file_name());
    let Some(name) = named.and_then(|name| name.to_str()) else {
        return Err(Failure::usage(format!("--output-file {shown} does not name a file"))
            .hint("use --output for a folder, or --output - for standard output"));
    };
    SafePath::new(name).map_err(|why| Failure::usage(format!("--output-file {shown}: {why}")))
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

    #[test]
    fn the_name_of_a_file_and_its_folder_are_told_apart() {
        for (file, expected) in [
            ("out.txt", Some((".", "out.txt"))),
            ("new/deep/out.txt", Some(("new/deep", "out.txt"))),
            ("/out.txt", Some(("/", "out.txt"))),
            ("out/", None),
            ("-", None),
            ("..", None),
            ("", None),
        ] {
            let file = Path::new(file);
            let told = folder_of(file).ok().zip(name_of(file).ok());
            let told = told.as_ref().map(|(folder, name)| (folder.to_str().expect("text"), name.as_str()));
            assert_eq!(told, expected, "{}", file.display());
        }
    }
}
