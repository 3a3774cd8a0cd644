//! `sim sweep` and `sim merge`.

mod define;
mod finish;
mod folder;
mod interrupt;
mod merge;
mod plot;
mod shard;

pub use merge::merge;
pub use plot::{is_folder, plot};

use super::arguments::SweepArguments;
use super::console::Console;
use super::files::from_here;
use super::{Done, Exit, Failure, files};
use crate::report::sweep::definition::Shard;
use crate::sweep::play::{Batch, play};
use finish::Ending;
use folder::Writer;
use interrupt::Interrupt;
use std::ops::ControlFlow;
use std::path::Path;

pub fn sweep(arguments: &SweepArguments, console: &mut Console) -> Done<Exit> {
    let definition = define::define(arguments, console)?;
    let plan = definition.plan().map_err(|message| Failure::Input(message, String::new()))?;
    define::check(arguments, &plan, console)?;
    let shard = match &arguments.shard {
        None => Shard::WHOLE,
        Some(text) => shard::parse(text, arguments.shards, |name| std::env::var(name).ok())
            .map_err(|(message, help)| Failure::Input(message, help))?,
    };
    let own = Path::new("output").join(&definition.name);
    let folder = arguments.output.clone().unwrap_or_else(|| match shard {
        Shard::WHOLE => own,
        Shard { index, count } => own.join(format!("shard-{index}-of-{count}")),
    });
    let inputs = define::inputs(arguments, &definition);
    finish::check(&arguments.reports, definition.runs, &folder, &inputs)?;
    files::spare_inputs(folder::FILES.map(|name| folder.join(name)), &inputs)?;
    folder::may_write(&folder, &definition, shard, arguments.resume)?;
    let scenario = from_here(&arguments.file);
    let ending = Ending { folder: &folder, definition: &definition, design: &plan.design, shard, scenario: &scenario };
    if arguments.resume && folder::find(&folder).is_some_and(|found| found.is_complete) {
        console.note("the sweep is complete: nothing is left to play");
        return finish::finish(&ending, &arguments.reports, console);
    }
    start_threads(arguments.threads)?;
    let interrupt =
        Interrupt::listen().map_err(|error| Failure::World(format!("no signals: {error}"), String::new()))?;

    let all = plan.design.cells();
    let mut writer = Writer::open(&folder, &definition, &plan.design, shard, arguments.resume)?;
    let bar = console.progress(usize::try_from(shard.len(all)).unwrap_or(usize::MAX), "cells".into());
    bar.set_position(writer.done);
    let rest = shard.cells(all).skip(usize::try_from(writer.done).unwrap_or(usize::MAX));
    if arguments.fail_fast && writer.done > 0 && finish::last_fails(&ending)? {
        return finish::stopped(&ending, &arguments.reports, console);
    }
    let mut failure = None;
    let mut is_unmet = false;
    // A long batch keeps all threads at work; where the first failure is waited for, a short one ends sooner.
    let batch = if arguments.fail_fast { Batch::Short } else { Batch::Long };
    let complete = play(&plan, rest, batch, &|| interrupt.came(), |cell| {
        if let Err(error) = writer.add(&cell) {
            failure = Some(error);
            return ControlFlow::Break(());
        }
        bar.inc(1);
        is_unmet = cell.outcome.is_ok() && !cell.is_met();
        if arguments.fail_fast && is_unmet { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    if let Some(failure) = failure {
        return Err(failure);
    }
    if !complete && arguments.fail_fast && is_unmet {
        return finish::stopped(&ending, &arguments.reports, console);
    }
    if !complete {
        let (done, of) = (writer.done, shard.len(all));
        console.note(&format!(
            "interrupted: {done} of {of} cells are done and kept in {}; go on with --resume",
            folder.display()
        ));
        return Ok(if interrupt.exit_code() == Exit::Terminated as u8 { Exit::Terminated } else { Exit::Interrupted });
    }
    writer.finish()?;
    finish::finish(&ending, &arguments.reports, console)
}

/// Once in a process: the pool of all parallel work.
fn start_threads(threads: Option<u32>) -> Done<()> {
    // 0: as many as there are cores.
    let threads = threads.unwrap_or(0) as usize;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    pool.map_err(|error| Failure::World(format!("cannot start threads: {error}"), String::new()))
}
