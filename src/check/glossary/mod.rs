//! What `sim explain` says besides the findings: causes of failed answers, the Rollouts controller's rules for a spec, and
//! terms.

mod cause;
mod reference;
mod term;
mod validation;
mod way_back;

use super::reproduce::Run;
use crate::model::outcome::Cause;
pub use cause::cause;
pub use reference::{Instead, REFERENCES, Reference};
pub use term::TERMS;
pub use validation::RULES;
pub use way_back::WAY_BACK;

/// A page about a word of the reports.
#[derive(Debug)]
pub struct Entry {
    pub name: &'static str,
    pub title: &'static str,
    pub words: &'static str,
    pub source: &'static str,
    pub reproduce: Reproduce,
}

/// How to see what a page speaks of.
#[derive(Clone, Copy, Debug)]
pub enum Reproduce {
    /// The smallest manifests that show it.
    Example(&'static str),
    Run(Run),
}

/// All entries.
pub fn entries() -> impl Iterator<Item = Entry> {
    let copy = |entry: &'static Entry| Entry { ..*entry };
    let terms = TERMS.iter().chain(&WAY_BACK).map(copy);
    Cause::ALL.into_iter().map(cause).chain(RULES.iter().map(copy)).chain(terms)
}
