//! Builds again when a migration changes: `sqlx::migrate!` reads the folders at compile time, and cargo cannot see that.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
