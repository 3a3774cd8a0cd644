//! The table at the end of a sweep, on the terminal.

use super::definition::Definition;
use super::names;
use super::results::{Results, State};
use crate::report::terminal::{BAD, GOOD, TITLE, paint};
use crate::report::{counted, grouped, grouped_decimal};
use crate::sweep::design::Design;
use crate::sweep::play::FIGURES;

/// Larger grids are left to the picture.
const LARGEST_MAP: u64 = 60;

pub fn render(definition: &Definition, design: &Design, results: &Results) -> String {
    let mut lines = vec![paint(TITLE, &definition.title)];
    let axes = design.axes().iter().zip(names::of_axes(design)).map(|(axis, name)| match axis.count() {
        Some(count) => format!("{name} ({})", counted(count, "value")),
        None => format!("{name} (a range)"),
    });
    let axes: Vec<_> = axes.collect();
    lines.push(format!(
        "sweep {}: {} × {}, {}",
        definition.name,
        counted(results.cells.len() as u64, "cell"),
        counted(definition.seeds.len() as u64, "seed"),
        axes.join(" × "),
    ));
    lines.push(String::new());
    if let Some(map) = map(design, results) {
        lines.extend(map);
        lines.push(String::new());
    }
    lines.extend(extremes(results));
    lines.extend(verdict(results));
    for (label, reason) in &results.told {
        lines.push(format!("  {label}: {reason}"));
    }
    let untold = results.unsafe_ + results.invalid - results.told.len() as u64;
    if untold > 0 {
        lines.push(format!("  and {} more, see cells.csv", grouped(untold)));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn extremes(results: &Results) -> Vec<String> {
    let means = || results.cells.iter().filter_map(|cell| Some(cell.figures.first()?.mean));
    let (Some(least), Some(most)) = (means().min_by(f64::total_cmp), means().max_by(f64::total_cmp)) else {
        return vec![];
    };
    let name = super::column(FIGURES[results.figures[0]]);
    vec![format!("{name}, mean of the seeds: {} to {}", grouped_decimal(least, 3), grouped_decimal(most, 3))]
}

fn verdict(results: &Results) -> Vec<String> {
    let all = results.cells.len() as u64;
    let line = format!("{} of {} safe ({})", grouped(results.safe), counted(all, "cell"), results.meaning());
    // Without thresholds nothing fails.
    let mut lines = vec![match (results.safe == all, results.has_thresholds) {
        (true, _) => paint(GOOD, format!("✓ {line}")),
        (false, true) => paint(BAD, format!("✗ {line}")),
        (false, false) => line,
    }];
    if results.invalid > 0 {
        lines.push(paint(BAD, format!("✗ {} could not run", counted(results.invalid, "cell"))));
    }
    lines
}

/// Two axes: a sign for each cell.
fn map(design: &Design, results: &Results) -> Option<Vec<String>> {
    let [down, right] = design.axes() else { return None };
    let (rows, columns) = (down.count()?, right.count()?);
    if !design.is_grid() || rows > LARGEST_MAP || columns > LARGEST_MAP || results.cells.len() as u64 != rows * columns
    {
        return None;
    }
    let label = |axis: &crate::sweep::axis::Axis, index| axis.values(index).collect::<Vec<_>>().join(" ");
    let names: Vec<_> = (0..rows).map(|row| label(down, row)).collect();
    let titles = names::of_axes(design);
    let (down_name, right_name) = (&titles[0], &titles[1]);
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(down_name.chars().count());
    let span = format!("{right_name} {} … {}", label(right, 0), label(right, columns - 1));
    let mut lines = vec![format!("{down_name:>width$}  {span}")];
    for (name, cells) in names.iter().zip(results.cells.chunks(usize::try_from(columns).ok()?)) {
        let sign = |state| match state {
            State::Safe => '·',
            State::Unsafe => '█',
            State::Invalid => '?',
        };
        let signs: String = cells.iter().map(|cell| sign(cell.state)).collect();
        lines.push(format!("{name:>width$}  {signs}"));
    }
    lines.push(format!(
        "{:>width$}  · safe  █ not safe{}",
        "",
        if results.invalid > 0 { "  ? could not run" } else { "" }
    ));
    Some(lines)
}
