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
    /// With `run`: print every event of the control plane, too, of the first seed. With manifests: count what of them is
    /// skipped (both on stderr)
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulate one deployment of each scenario
    Run(RunArguments),
    /// Find what is wrong with a deployment before it is released, and what it costs
    Check(CheckArguments),
    /// Explain a finding, a cause or a term; without one, list them
    Explain {
        /// A code like K005, a cause like connection_refused, a term like rule_lag
        code: Option<String>,
    },
    /// Simulate every combination of some parameters' values, with several seeds each
    Sweep(SweepArguments),
    /// Join the shards of a sweep into the folder that one process would have written
    Merge(MergeArguments),
    /// Draw the timeline of scenarios or of run folders, or the results of a sweep, as one SVG
    Plot(PlotArguments),
    /// Write a scenario to this folder: from the built-in gallery, or from manifests
    Init(InitArguments),
    /// Print the JSON Schema of a scenario, for editors
    Schema,
    /// Print a completion script
    Completions { shell: Shell },
}

#[derive(Debug, Args)]
pub struct RunArguments {
    /// Scenarios (.toml), or manifests of one deployment: files (.yaml, .yml, .json), folders, - for stdin
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
pub struct CheckArguments {
    /// Manifests of one deployment or several: files (.yaml, .yml, .json), folders, - for stdin; or scenarios (.toml) that
    /// name manifests
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Set a value of the scenario, like load_balancer_controller.rule_lag=70s
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Of several releases in manifests, the one of this name
    #[arg(long, value_name = "NAME")]
    pub rollout: Option<String>,
    /// Play each release with the seeds 1 to N
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u32).range(1..=1000))]
    pub seeds: u32,
    /// Say what a change does: the same deployments before it, as files or folders
    #[arg(long, value_name = "OLD")]
    pub against: Vec<PathBuf>,
    /// Make the fewest changes that bring the failed requests to zero, or as low as they go; with - the changed manifests go
    /// to stdout
    #[arg(long, conflicts_with = "diff")]
    pub fix: bool,
    /// Show what --fix would change, as a diff for `git apply`
    #[arg(long)]
    pub diff: bool,
    /// With --fix or --diff: the changes of these findings, helpful against failed requests or not
    #[arg(long, value_name = "CODE,CODE,…", value_delimiter = ',')]
    pub only: Vec<String>,
    #[command(flatten)]
    pub reports: Reports,
    /// Write SARIF 2.1.0
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,
    /// The least level that makes the exit code 1
    #[arg(long, value_enum, default_value_t = FailOn::Warning)]
    pub fail_on: FailOn,
}

/// What people and CI systems read of a check or a sweep.
#[derive(Debug, Args)]
pub struct Reports {
    /// What to print on stdout: the report, or its numbers as JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Write JUnit XML: one test case per finding, or per cell of a sweep
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write Markdown, for the summary of a job or a comment on a pull request
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Write a GitLab Code Quality report
    #[arg(long, value_name = "FILE")]
    pub gitlab: Option<PathBuf>,
    /// Exit with 0 where findings or unmet thresholds would give 1
    #[arg(long)]
    pub exit_zero: bool,
}

impl Reports {
    /// The files that are written.
    pub fn targets(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.junit, &self.markdown, &self.gitlab].into_iter().flatten()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Note,
    Warning,
    Error,
}

#[derive(Debug, Args)]
pub struct SweepArguments {
    /// Scenario file (.toml); its table [sweep] may name axes and seeds
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// An axis: KEY=1,2,5 or KEY=10s..120s:10s or KEY=1..100#5:log; several joined by `;` move together. The key `scenario`
    /// takes scenario files
    #[arg(long, value_name = "KEY=VALUES")]
    pub vary: Vec<String>,
    /// Set a value of the scenario in all cells
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Seeds of each cell: 1 to N, or the first N of the scenario's `seeds` [default: those of the scenario]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=100_000))]
    pub seeds: Option<u32>,
    /// The one seed of each cell
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    pub seed: Option<u64>,
    /// Draw N cells from the axes, instead of all combinations; an axis may then be a range without a step
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub sample: Option<u32>,
    /// How cells are drawn [default: latin-hypercube]
    #[arg(long, value_name = "latin-hypercube|random")]
    pub sampling: Option<String>,
    /// Threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Where the files go [default: output/<scenario>/, of a shard output/<scenario>/shard-I-of-N/]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Play only the cells whose index leaves the rest I when divided by N; `auto` asks the environment
    #[arg(long, value_name = "I/N|auto")]
    pub shard: Option<String>,
    /// The number of shards, where --shard auto can't find it
    #[arg(long, value_name = "N", requires = "shard", value_parser = value_parser!(u64).range(1..=1_000_000))]
    pub shards: Option<u64>,
    /// Go on with an interrupted sweep; one that was never begun, begins
    #[arg(long)]
    pub resume: bool,
    /// Write runs.csv, too: one row per cell and seed
    #[arg(long)]
    pub runs: bool,
    /// Stop at the first cell that does not meet its thresholds
    #[arg(long)]
    pub fail_fast: bool,
    /// Start even a sweep of more than a million cells
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub reports: SweepReports,
}

#[derive(Debug, Args)]
pub struct MergeArguments {
    /// Folders of the shards
    #[arg(required = true, value_name = "DIR")]
    pub shards: Vec<PathBuf>,
    /// Where the files go [default: output/<scenario>/]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub reports: SweepReports,
}

/// What is told of a sweep.
#[derive(Debug, Args)]
pub struct SweepReports {
    /// The figure of the picture and the table, like elb_502 or pods.peak
    #[arg(long, value_name = "NAME", default_value = "elb_5xx")]
    pub figure: String,
    #[command(flatten)]
    pub shared: Reports,
    /// Write runs.parquet beside runs.csv (needs --runs, and a build with --features parquet)
    #[arg(long)]
    pub parquet: bool,
}

#[derive(Debug, Args)]
pub struct PlotArguments {
    /// Scenarios (.toml), manifests (.yaml), folders of runs, or the folder of a sweep
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub overrides: Overrides,
    /// What is drawn of runs: failed requests, weights and pods; who did what when, a lane for each; or, of scenarios with
    /// classes of traffic, the versions that each class met, or the requests of some users one by one
    #[arg(long, value_enum, default_value_t = Picture::Timeline)]
    pub picture: Picture,
    /// Of a sweep: the figure that is drawn, like elb_502 or pods.peak [default: elb_5xx]
    #[arg(long, value_name = "NAME")]
    pub figure: Option<String>,
    /// Of a sweep: the timelines of these cells, by their numbers, one above the other (with the first seed)
    #[arg(long, value_name = "N,N,…", value_delimiter = ',')]
    pub cells: Vec<u64>,
    /// The SVG, or a PNG if its name ends so [default: timeline.svg in the folder of the run, output/<scenario>.svg, of several
    /// output/plot.svg; classes.svg, output/<scenario>-classes.svg and so on of the other pictures]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Overrides {
    /// Set a value of the scenario: a dotted TOML path and a TOML value, a bare word is a string
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Of several releases in manifests, the one of this name
    #[arg(long, value_name = "NAME")]
    pub rollout: Option<String>,
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
    /// Write the scenario that manifests amount to: files, folders, - for stdin
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["name", "list"])]
    pub from: Vec<PathBuf>,
    /// With --from: of several releases, the one of this name
    #[arg(long, value_name = "NAME", requires = "from")]
    pub rollout: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Picture {
    Timeline,
    Classes,
    Mosaic,
    Lanes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}
