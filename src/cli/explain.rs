//! `sim explain`: a page for each finding, cause and term.

use super::console::Console;
use super::{Done, Failure};
use crate::check::catalogue::pages;
use crate::report::check::page;
use crate::scenario::nearest;

pub fn explain(code: Option<&str>, console: &mut Console) -> Done<()> {
    let Some(code) = code else {
        let mut all: Vec<_> = pages().collect();
        all.sort_by_key(|page| page.code);
        let lines = all.iter().map(|page| format!("{:6}  {:7}  {}\n", page.code, page.level.name(), page.title));
        return console.print(&lines.collect::<String>());
    };
    if let Some(found) = pages().find(|page| page.code.eq_ignore_ascii_case(code)) {
        return console.print(&page::render(found, console.width()));
    }
    let codes: Vec<_> = pages().map(|page| page.code).collect();
    let help = match nearest(&code.to_uppercase(), &codes) {
        Some(near) => format!("did you mean {near}?"),
        None => "`sim explain` lists what there is".to_owned(),
    };
    Err(Failure::Input(format!("there is no page about `{code}`"), help))
}
