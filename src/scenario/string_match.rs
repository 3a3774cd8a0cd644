//! `{ exact }`, `{ prefix }` or `{ regex }`: how a header, a path or a method is compared.

use super::entry::Entry;
use crate::model::request_match::StringMatch;

const HELP: &str = "write { exact = \"yes\" }, { prefix = \"ye\" } or { regex = \"ye.*\" }";

/// None, with a problem, if there is none or more than one of them. An empty table asks that there is something.
pub fn read(mut entry: Entry<'_, '_>) -> Option<StringMatch> {
    let [exact, prefix, regex] = ["exact", "prefix", "regex"].map(|form| entry.text(form));
    entry.refuse_unknown();
    match (exact, prefix, regex) {
        (Some(exact), None, None) => Some(StringMatch::Exact(exact)),
        (None, Some(prefix), None) => Some(StringMatch::Prefix(prefix)),
        (None, None, None) => Some(StringMatch::Prefix(String::new())),
        (None, None, Some(pattern)) => expression(&mut entry, ("regex", pattern)),
        _ => {
            let place = entry.place();
            entry.pass.error(&entry.key, place, "one of exact, prefix and regex is enough", HELP);
            None
        }
    }
}

/// A table with names of the user's own.
pub fn read_named(mut entry: Entry<'_, '_>) -> Vec<(String, StringMatch)> {
    entry.each(|name, value| Some((name.to_owned(), read(value)?)))
}

/// A regular expression that is one.
pub fn expression(entry: &mut Entry<'_, '_>, (name, pattern): (&str, String)) -> Option<StringMatch> {
    let expression = StringMatch::Regex(pattern);
    if let Some(reason) = expression.refusal() {
        let help = "the proxies read RE2; of that, look-around and \\p{…} are not simulated";
        entry.error(name, (format!("this is no regular expression: {reason}"), help.to_owned()));
        return None;
    }
    Some(expression)
}
