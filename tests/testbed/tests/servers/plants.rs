//! The checker of the fault campaign detects one planted violation of each rule in the real stores, and names the rule.

use std::path::PathBuf;

use testbed::checker::Rule;
use testbed::faults::{Database, Paths, plant_all};

/// The path of another program, which `./dev test` has built beside the testbed's own.
fn built(name: &str) -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_testbed")).with_file_name(name);
    assert!(
        program.exists(),
        "{} is not built: run `cargo build --workspace --features accolade/faults`",
        program.display()
    );
    program
}

#[tokio::test]
async fn a_planted_violation_of_each_rule_is_found_and_named() {
    let paths = Paths { accolade: built("accolade"), discord_sim: built("discord-sim") };
    let planted = plant_all(&paths, Database::Sqlite).await.expect("a small environment");
    assert_eq!(planted.len(), Rule::ALL.len());
    let overlooked: Vec<_> = planted.iter().filter(|planted| !planted.is_found).collect();
    assert!(overlooked.is_empty(), "the checker overlooked {overlooked:#?}");
}
