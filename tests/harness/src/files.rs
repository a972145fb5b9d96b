//! Folders and files that only their owner can read, as the product demands, including the configuration.

use std::path::{Path, PathBuf};

use accolade::config::Config;
use serde_json::Value;
use tempfile::TempDir;

/// A temporary folder with private permissions, because the store refuses a folder that others can read.
pub fn private_folder() -> TempDir {
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    tempfile::Builder::new().permissions(private).tempdir().expect("a folder")
}

/// Writes the file of a secret into a folder.
pub fn write_secret(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    testbed::config::write_private(&file, text).expect("a secret's file");
    file
}

/// Writes a configuration and loads it as the product does.
pub fn load_config(file: &Path, config: &Value) -> Config {
    testbed::config::write(file, config).expect("the configuration is written");
    match accolade::config::load(file) {
        Ok(config) => config,
        Err(error) => panic!("the configuration is wrong: {error}"),
    }
}
