//! The `billing-lake` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    billing_lake::cli::main()
}
