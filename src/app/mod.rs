//! Wires all modules into a running `serve`. The command line and the stories both start here, so tests run what ships.
//!
//! No decision lives here: only the order of start and stop, and who holds which lock. `assembly` starts and stops the service,
//! `health` answers the health page, `causes` finds the cause in an error, `gateway_lease` elects the replica that holds the gateway, and `restore_check` holds back a
//! restored database.

mod assembly;
mod causes;
mod gateway_lease;
mod health;
mod restore_check;

pub use assembly::{Running, StartError, start};
pub use causes::cause_of;
pub use health::ServiceHealth;
