//! `arrivals = { file = "arrivals.csv" }`: how the requests of a file and the classes of a scenario go together.

use super::document::Node;
use super::reader::Reader;
use super::value::text_from;
use crate::model::traffic::recording::{RecordedClass, Recording};
use crate::model::traffic::{Activity, Arrivals, ClassSpec, RateProfile, UsersSpec};
use crate::units::Rate;
use std::sync::Arc;

type Refusal = (String, String);

/// The table names the file that has been read.
pub fn recorded(node: &Node, recording: Option<Arc<Recording>>) -> Result<Arrivals, Refusal> {
    const HELP: &str = "write arrivals = { file = \"arrivals.csv\" }";
    let entries = node.table().map_or(&[][..], |table| &table.entries);
    let [entry] = entries else {
        return Err(("arrivals come from one file".to_owned(), HELP.to_owned()));
    };
    if entry.key != "file" {
        return Err((format!("unknown key `{}`", entry.key), HELP.to_owned()));
    }
    let file = text_from("file", &entry.value)?;
    let recording = recording.ok_or_else(|| {
        (format!("nobody has read {file}"), "arrivals from a file are for `sim run` and `sim plot`".to_owned())
    })?;
    Ok(Arrivals::Recorded { recording, class: None })
}

/// What says when requests come, and whose they are, is the file's to say.
const OF_THE_FILE: [&str; 4] = ["rate", "share", "arrivals", "calls_per_action"];

pub fn check(reader: &mut Reader<'_, '_>, (items, recording): (&[Node], &Recording)) {
    if let Err((message, help)) = fit(items, recording) {
        reader.error_at("arrivals", message, &help);
    }
    const TIMES: &str = "the file says when requests come";
    let mut idle: Vec<(String, &Node, &str)> = vec![];
    idle.extend(reader.peek("rate").map(|rate| (reader.key("rate"), rate, TIMES)));
    for (index, item) in items.iter().enumerate() {
        let class = format!("{}[{index}]", reader.key("classes"));
        let value = |name: &str| item.table().and_then(|class| class.get(name)).map(|entry| &entry.value);
        let of_the_file = OF_THE_FILE.iter().filter_map(|name| Some((format!("{class}.{name}"), value(name)?, TIMES)));
        idle.extend(of_the_file);
        let users = format!("{class}.users");
        let session = value("users").and_then(Node::table).and_then(|users| users.get("requests_per_session"));
        match recording.has_users {
            true => idle.extend(value("users").map(|node| (users, node, "the file says whose the requests are"))),
            false => idle.extend(session.map(|entry| (format!("{users}.requests_per_session"), &entry.value, TIMES))),
        }
    }
    for (key, node, why) in idle {
        reader.pass.warning(&key, node.place.clone(), format!("`{key}` has no effect"), why);
    }
}

/// Every class of the file is one of the scenario's.
fn fit(items: &[Node], recording: &Recording) -> Result<(), Refusal> {
    let name = |item: &Node| item.table().and_then(|class| class.get("name")?.value.text().map(str::to_owned));
    let known: Vec<String> = items.iter().filter_map(name).collect();
    let has_column = recording.classes.iter().any(|class| class.name.is_some());
    if items.is_empty() && (has_column || recording.has_users) {
        let column = if has_column { "class" } else { "user" };
        let help = "write [[traffic.classes]] with name = \"…\", or leave the column out";
        return Err((format!("the file has a column `{column}`, and there are no classes"), help.to_owned()));
    }
    if !has_column && items.len() > 1 {
        let help = "add the column, or leave one class";
        return Err((
            format!("the file has no column `class`, and there are {} classes", items.len()),
            help.to_owned(),
        ));
    }
    let is_unknown = |class: &&RecordedClass| class.name.as_ref().is_some_and(|name| !known.contains(name));
    match recording.classes.iter().find(is_unknown) {
        None => Ok(()),
        Some(class) => {
            let name = class.name.as_deref().unwrap_or_default();
            let message =
                format!("line {} of the file has a request of a class `{name}`, which is not there", class.line);
            Err((message, format!("traffic.classes has {}", known.join(", "))))
        }
    }
}

/// The class as the file has it.
pub fn class(class: ClassSpec, recording: &Arc<Recording>) -> ClassSpec {
    let number = recording.class(&class.name);
    let is_alone = recording.classes.iter().all(|class| class.name.is_none());
    let (arrivals, rate) = match number {
        None if !is_alone => (Arrivals::Poisson, RateProfile::Constant(Rate::NONE)),
        number => {
            let recording = Arc::clone(recording);
            let rate = recording.rate(|request| number.is_none_or(|number| request.class == number));
            (Arrivals::Recorded { recording, class: number }, rate)
        }
    };
    let count = recording.classes[usize::from(number.unwrap_or(0))].users.max(1);
    let users = match recording.has_users {
        true => Some(UsersSpec { count, activity: Activity::Uniform, session: None }),
        false => class.users.map(|users| UsersSpec { session: None, ..users }),
    };
    ClassSpec { rate, arrivals, users, calls_per_action: 1, ..class }
}
