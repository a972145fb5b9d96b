//! Folders and files that only their owner can read, as the product demands, and the configuration among them.

use std::path::{Path, PathBuf};

use accolade::config::Config;
use serde_json::Value;
use tempfile::TempDir;

/// A temporary folder. The store refuses one that others can read.
pub fn private_folder() -> TempDir {
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    tempfile::Builder::new().permissions(private).tempdir().expect("a folder")
}

/// Writes a secret's file into a folder.
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
