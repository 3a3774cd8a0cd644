//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;
use std::path::PathBuf;

/// Simulates an Argo Rollouts canary behind an AWS Application Load Balancer.
#[derive(Debug, Parser)]
#[command(name = "sim", version, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    /// When to colour: a terminal gets colours, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Print no report and no list of files
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// With `run`: print every event of the control plane, too, of the first seed (on stderr)
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulate one deployment of each scenario
    Run(RunArguments),
    /// Draw the timeline of scenarios or of run folders as one SVG
    Plot(PlotArguments),
    /// Write a scenario from the built-in gallery to this folder
    Init(InitArguments),
    /// Print the JSON Schema of a scenario, for editors
    Schema,
    /// Print a completion script
    Completions { shell: Shell },
}

#[derive(Debug, Args)]
pub struct RunArguments {
    /// Scenario files (.toml)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub overrides: Overrides,
    /// Run with the seeds 1 to N, or with the first N of the scenario's `seeds`
    #[arg(long, value_name = "N", conflicts_with = "seed", value_parser = value_parser!(u32).range(1..=100_000))]
    pub seeds: Option<u32>,
    /// Threads for --seeds [default: one per core]
    #[arg(long, value_name = "N", requires = "seeds", value_parser = value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Where the files go [default: output/<scenario>/]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// What to print on stdout: the report, or summary.json (of several files one after the other)
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct PlotArguments {
    /// Scenario files (.toml) or folders of runs
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub overrides: Overrides,
    /// The SVG [default: timeline.svg in the folder of the run, output/<scenario>.svg, of several output/plot.svg]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Overrides {
    /// Set a value of the scenario: a dotted TOML path and a TOML value, a bare word is a string
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Seed of the random numbers, instead of the scenario's
    // TOML's integers end there, and the resolved scenario names the seed.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
}

#[derive(Debug, Args)]
pub struct InitArguments {
    /// Which scenario [default: first-run]
    pub name: Option<String>,
    /// List the gallery
    #[arg(long, conflicts_with = "name")]
    pub list: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}
