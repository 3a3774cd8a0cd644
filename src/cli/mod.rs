//! The commands: the only layer that opens files, prints, or looks at the environment.

mod arguments;
mod arrivals;
mod check;
mod console;
pub mod diagnostics;
mod explain;
mod files;
pub mod gallery;
mod init;
mod manifests;
mod picture;
mod plot;
mod run;
mod source;
mod sweep;

pub use arguments::Arguments;

use arguments::Command;
use clap::CommandFactory;
use console::Console;
use std::process::ExitCode;

/// How a command ended. Of several files the worst counts, and that is the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    Fine = 0,
    /// A threshold was not met: an answer, not an error.
    Unmet = 1,
    /// The user's input or usage is wrong.
    Input = 2,
    /// A file cannot be read or written.
    World = 3,
    /// SIGINT came.
    Interrupted = 130,
    /// SIGTERM came.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command cannot go on. What there is to say is said when it reaches `execute`.
#[derive(Debug)]
enum Failure {
    /// The user's mistake, with a help.
    Input(String, String),
    /// What is wrong has been printed already.
    Reported(Exit),
    /// A file cannot be read or written, with a help.
    World(String, String),
    /// Whoever read our output has enough.
    BrokenPipe,
}

type Done<T> = Result<T, Failure>;

/// Carries out one command.
pub fn execute(arguments: &Arguments) -> Exit {
    let mut console = Console::new(arguments.color, arguments.quiet, arguments.verbose);
    let done = match &arguments.command {
        Command::Run(arguments) => return run::run(arguments, &mut console),
        Command::Check(arguments) => return conclude(check::check(arguments, &mut console), &mut console),
        Command::Explain { code } => explain::explain(code.as_deref(), &mut console),
        Command::Sweep(arguments) => return conclude(sweep::sweep(arguments, &mut console), &mut console),
        Command::Merge(arguments) => return conclude(sweep::merge(arguments, &mut console), &mut console),
        Command::Plot(arguments) => plot::plot(arguments, &mut console),
        Command::Init(arguments) => init::init(arguments, &mut console),
        Command::Schema => schema(&mut console),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "sim", &mut script);
            console.print(&String::from_utf8_lossy(&script))
        }
    };
    conclude(done.map(|()| Exit::Fine), &mut console)
}

/// Says what went wrong, if something did.
fn conclude(done: Done<Exit>, console: &mut Console) -> Exit {
    match done {
        Ok(exit) => exit,
        Err(Failure::Input(message, help)) => {
            console.complain(&message, &help);
            Exit::Input
        }
        Err(Failure::World(message, help)) => {
            console.complain(&message, &help);
            Exit::World
        }
        Err(Failure::Reported(exit)) => exit,
        Err(Failure::BrokenPipe) => Exit::Fine,
    }
}

fn schema(console: &mut Console) -> Done<()> {
    let schema = serde_json::to_string_pretty(&crate::scenario::schema::schema()).expect("JSON can be written");
    console.print(&format!("{schema}\n"))
}
