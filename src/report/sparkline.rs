//! ELB 5xx over time in one line of the terminal.

use super::terminal::{BAD, QUIET, paint};
use super::window::Window;
use super::{grouped, seconds};
use crate::run::Run;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The highest second of each bin, so that no spike is lost; a dot where nothing failed. Long steady times are left out.
pub(super) fn sparkline(run: &Run, width: usize) -> Vec<String> {
    let peak = run.seconds.iter().map(|second| second.elb_5xx()).max().unwrap_or(0);
    if peak == 0 {
        return vec!["ELB 5xx per second: none".into()];
    }
    let window = Window::of(&[run]);
    let seconds = &run.seconds[window.rows(run)];
    let bins = seconds.len().min(width);
    // Never two bins for one row, never a row without a bin.
    let bin = |bin: usize| &seconds[bin * seconds.len() / bins..(bin + 1) * seconds.len() / bins];
    let block = |index: usize| {
        let most = bin(index).iter().map(|second| second.elb_5xx()).max().unwrap_or(0);
        let level = (u64::from(most) * 8).div_ceil(u64::from(peak));
        if most == 0 { '·' } else { BLOCKS[usize::try_from(level).expect("at most 8") - 1] }
    };
    let line: String = (0..bins).map(block).collect();
    let release = usize::try_from(-window.from).ok().map(|before| before * bins / seconds.len());
    vec![
        format!("ELB 5xx per second, highest {} requests/s", grouped(u64::from(peak))),
        paint(BAD, line),
        paint(QUIET, axis(window, bins, release)),
    ]
}

/// The release, the window's first second and its last one under their places. Where there is no room for all of them,
/// the release stays.
fn axis(window: Window, bins: usize, release: Option<usize>) -> String {
    let (start, end) = (seconds(window.from), seconds(window.to));
    let mut line = vec![' '; bins];
    let mut put = |at: usize, text: &str| {
        let needed = at.saturating_sub(1)..at + text.chars().count() + 1;
        if line.get(needed.start..needed.end.min(bins)).is_some_and(|place| place.iter().all(|c| *c == ' ')) {
            line.splice(at..at + text.chars().count(), text.chars());
        }
    };
    if let Some(release) = release {
        put(release, "↑ 0 s, the release");
    }
    put(0, &start);
    put(bins.saturating_sub(end.len()), &end);
    let line: String = line.into_iter().collect();
    line.trim_end().into()
}
