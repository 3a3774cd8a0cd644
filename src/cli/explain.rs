//! `sim explain`: a page for each finding, cause and term.

use super::console::Console;
use super::{Done, Failure};
use crate::check::catalogue::pages;
use crate::check::glossary::{Instead, REFERENCES, Reference, entries};
use crate::report::check::page;
use crate::scenario::nearest;
use crate::scenario::schema::{Field, fields};

pub fn explain(name: Option<&str>, console: &mut Console) -> Done<()> {
    let Some(name) = name else { return console.print(&list()) };
    let width = console.width();
    if let Some(found) = pages().find(|page| page.code.eq_ignore_ascii_case(name)) {
        return console.print(&page::render(found, width));
    }
    if let Some(entry) = entries().find(|entry| entry.name.eq_ignore_ascii_case(name)) {
        return console.print(&page::entry(&entry, width));
    }
    // A parameter, by its whole key or by its last name.
    let last = |path: &str| path.rsplit('.').next().unwrap_or(path).to_owned();
    let fields: Vec<Field> =
        fields().into_iter().filter(|field| field.path == name || last(&field.path) == name).collect();
    if !fields.is_empty() {
        return console.print(&fields.iter().map(|field| page::parameter(field, width)).collect::<String>());
    }
    if let Some(reference) = REFERENCES.iter().find(|reference| reference.code.eq_ignore_ascii_case(name)) {
        return console.print(&of_reference(reference, width));
    }
    let names: Vec<_> = pages().map(|page| page.code).chain(entries().map(|entry| entry.name)).collect();
    // Another code is another subject, however near its number.
    let near = nearest(name, &names).or_else(|| nearest(&name.to_uppercase(), &names)).filter(|_| !is_code(name));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`sim explain` lists what there is; the name of any parameter will do, too".to_owned(),
    };
    Err(Failure::Input(format!("there is no page about `{name}`"), help))
}

/// A whole code: letters and three digits.
fn is_code(name: &str) -> bool {
    let number = name.trim_start_matches(|character: char| character.is_ascii_alphabetic());
    number.len() == 3 && number.len() < name.len() && number.chars().all(|character| character.is_ascii_digit())
}

/// What there is to say about a code without a rule.
fn of_reference(reference: &Reference, width: usize) -> String {
    match reference.instead {
        Instead::See(code) => {
            let page = pages().find(|page| page.code == code).map(|page| page::render(page, width));
            format!("{}: see {code}\n\n{}", reference.code, page.unwrap_or_default())
        }
        Instead::NotChecked(why) => {
            page::section(reference.code, &format!("{} is not checked: {why}", reference.code), width)
        }
    }
}

fn list() -> String {
    let mut all: Vec<_> = pages().collect();
    all.sort_by_key(|page| page.code);
    let findings = all.iter().map(|page| format!("{:7} {:7}  {}\n", page.code, page.level.name(), page.title));
    let mut text = format!("Findings of sim check\n\n{}", findings.collect::<String>());
    text.push_str("\nRules of the Rollouts controller, causes of failed answers, terms\n\n");
    text.extend(entries().map(|entry| format!("{:28} {}\n", entry.name, entry.title)));
    text
}
