//! Reading a configuration file.

use std::{fs, io::Read as _, path::Path};

use super::{ConfigError, Layers, MAX_FILE};

impl Layers {
    /// Lays a file over what there is.
    ///
    /// # Errors
    /// It cannot be read, is too large, or is not YAML.
    pub fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        fs::File::open(path).map_err(read)?.take(MAX_FILE + 1).read_to_string(&mut text).map_err(read)?;
        if text.len() as u64 > MAX_FILE {
            return Err(ConfigError::TooLarge { path: path.to_owned() });
        }
        self.text(path, text)
    }
}
