use clap::Parser;
use rollout_sim::cli::{self, Arguments};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::execute(&Arguments::parse()).into()
}
