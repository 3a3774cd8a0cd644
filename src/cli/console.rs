//! stdout for reports, stderr for everything else.

use super::arguments::Color;
use super::{Done, Failure};
use annotate_snippets::{Level, Renderer};
use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, ErrorKind, Write};

#[derive(Debug)]
pub struct Console {
    out: AutoStream<io::Stdout>,
    err: AutoStream<io::Stderr>,
    pub quiet: bool,
    pub verbose: bool,
}

impl Console {
    pub fn new(color: Color, quiet: bool, verbose: bool) -> Self {
        let choice = match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let (out, err) = (AutoStream::new(io::stdout(), choice), AutoStream::new(io::stderr(), choice));
        Self { out, err, quiet, verbose }
    }

    /// Columns of a report: those of the terminal, or 100 where there is none.
    pub fn width(&self) -> usize {
        let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|asked| *asked > 0);
        let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        asked.or_else(terminal).filter(|columns| *columns > 0).unwrap_or(100).clamp(40, 300)
    }

    /// A report, on stdout.
    pub fn print(&mut self, text: &str) -> Done<()> {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error| {
            if error.kind() == ErrorKind::BrokenPipe {
                return Failure::BrokenPipe;
            }
            Failure::World(format!("cannot write to stdout: {error}"), String::new())
        })
    }

    /// A diagnostic, on stderr. If even that fails there is nobody left to tell.
    pub fn note(&mut self, text: &str) {
        let _ = writeln!(self.err, "{}", text.trim_end()).and_then(|()| self.err.flush());
    }

    pub fn complain(&mut self, message: &str, help: &str) {
        let title = Level::ERROR.primary_title(message);
        let group = annotate_snippets::Group::with_title(title);
        let help = (!help.is_empty()).then(|| Level::HELP.message(help));
        let text = Renderer::styled().render(&[group.elements(help)]);
        self.note(&text);
    }

    /// Shown on a terminal only.
    pub fn progress(&self, length: usize, message: String) -> ProgressBar {
        let template = "{msg} {wide_bar} {pos}/{len}, {per_sec}, {eta} left";
        let style = ProgressStyle::with_template(template).expect("the template is right");
        let bar = ProgressBar::new(length as u64).with_message(message).with_style(style);
        let hidden = self.quiet || length <= 1;
        bar.set_draw_target(if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() });
        bar
    }
}
