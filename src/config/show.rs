//! The validated configuration as TOML: text for `accolade config show`, and the tree that a reload compares. `encode` writes the single
//! values and hides the secrets.

use toml::Table;

use super::model::Config;

/// The whole configuration with its defaults, as TOML for reading. Secrets are `***`, so it can't be loaded again.
pub fn show(config: &Config) -> String {
    toml::to_string(&tree(config)).unwrap_or_default()
}

/// The same as a tree. Every value of a [`Config`] has a TOML form, so this can't fail.
pub(super) fn tree(config: &Config) -> Table {
    Table::try_from(config).unwrap_or_default()
}
