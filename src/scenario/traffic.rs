//! `[traffic]`: the requests, and the classes that they belong to.

use super::diagnostic::{Problem, Severity};
use super::document::Node;
use super::nearest::nearest;
use super::pass::Pass;
use super::path;
use super::quoted::quoted;
use super::reader::Reader;
use super::value::{number_from, text_from};
use super::{http_request, rate_profile, recording, replay, users};
use crate::model::traffic::{Arrivals, Caller, ClassSpec, MAX_CLASSES, RateProfile, TrafficSpec};
use crate::random::{Distribution, Tail};
use crate::units::{Duration, Rate, counted, grouped};
use serde_json::json;

const RATE: &str = "Requests that reach the load balancer, per s, min or h, or a table that says how they change. Assumption, \
                    only where no scenario says it: 250/s, the 15,000 a minute of the article";
const ARRIVALS: &str =
    "How requests follow each other. Assumption: poisson, independent of each other as those of many users are";
const SERVICE_TIME: &str =
    "How long an idle pod works on a request. Assumption: a usual web service, log-normal with a long tail";

pub fn read(reader: &mut Reader<'_, '_>) -> TrafficSpec {
    let classes = classes(reader);
    let rate = rate(reader, classes);
    let arrivals = arrivals(reader);
    let service_time = reader.distribution(
        "service_time",
        Distribution::LogNormal { median: Duration::millis(40), tail: Tail::P99(Duration::millis(400)) },
        SERVICE_TIME,
    );
    let mut traffic = TrafficSpec { rate, arrivals, service_time, classes: vec![] };
    if let Arrivals::Recorded { recording, .. } = &traffic.arrivals {
        replay::check(reader, (classes, recording));
        traffic.rate = recording.rate(|_| true);
    }
    traffic.classes = read_classes(reader, classes, &traffic);
    traffic
}

const DRAWN: [(&str, Arrivals); 2] = [("poisson", Arrivals::Poisson), ("uniform", Arrivals::Uniform)];

/// Drawn, or those of a file.
fn arrivals(reader: &mut Reader<'_, '_>) -> Arrivals {
    let file = json!({ "type": "string", "examples": [recording::FILE] });
    let file = json!({ "type": "object", "properties": { "file": file }, "required": ["file"], "additionalProperties": false });
    let schema = json!({ "oneOf": [{ "enum": DRAWN.map(|(word, _)| word) }, file], "default": "poisson" });
    let show = |arrivals: &Arrivals| match arrivals {
        Arrivals::Poisson => quoted("poisson"),
        Arrivals::Uniform => quoted("uniform"),
        // It lies beside the scenario of a run.
        Arrivals::Recorded { .. } => format!("{{ file = {} }}", quoted(recording::FILE)),
    };
    let recording = reader.pass.recording.clone();
    let arrivals = reader.value("arrivals", (schema, ARRIVALS), Some(Arrivals::Poisson), show, |node| {
        if node.table().is_some() {
            return replay::recorded(node, recording);
        }
        let text = text_from("arrivals", node)?;
        let drawn = DRAWN.into_iter().find(|(word, _)| *word == text).map(|(_, arrivals)| arrivals);
        let help = "it is one of poisson, uniform, or { file = \"arrivals.csv\" }".to_owned();
        drawn.ok_or_else(|| (format!("`{text}` is no choice for `arrivals`"), help))
    });
    arrivals.unwrap_or(Arrivals::Poisson)
}

/// Required in a scenario where no class says its own. Manifests cannot say it: there it is the default.
fn rate(reader: &mut Reader<'_, '_>, classes: &[Node]) -> RateProfile {
    let default: Rate = "250/s".parse().expect("this is a rate");
    let has_rate = |class: &Node| class.table().is_some_and(|class| class.get("rate").is_some());
    let is_recorded = reader.peek("arrivals").is_some_and(|arrivals| arrivals.table().is_some());
    let is_needed = !is_recorded && (classes.is_empty() || !classes.iter().all(has_rate));
    let key = reader.key("rate");
    let rate = rate_profile::read(reader, "rate", RATE);
    if rate.is_some() && !is_needed && !is_recorded {
        let place = reader.place_of("rate");
        let help = "a class has a `share` of it instead of a `rate`, or leave it out";
        reader.pass.warning(&key, place, "`rate` has no effect: every class has its own", help);
    }
    if !reader.has("rate") && is_needed {
        if reader.pass.manifests_from.is_some() {
            reader.pass.parameter(key, format!("\"{default}\""), None, RATE);
        } else {
            reader.missing("rate", "say how much traffic there is: rate = \"250/s\" or \"15000/min\"");
        }
    }
    rate.unwrap_or(RateProfile::Constant(default))
}

const HELP: &str = "write [[traffic.classes]] with name = \"employees\" and share = 0.1";

fn classes<'a>(reader: &mut Reader<'a, '_>) -> &'a [Node] {
    const NOTE: &str = "Requests that look alike to a router, each kind with a share of the rate or with its own";
    let node = reader.take("classes", || json!({ "type": "array", "maxItems": MAX_CLASSES }), NOTE);
    let Some(node) = node else { return &[] };
    let key = reader.key("classes");
    let Some(items) = node.array() else {
        reader.pass.error(&key, node.place.clone(), "`classes` must be an array of tables", HELP);
        return &[];
    };
    if items.len() > MAX_CLASSES {
        let message = format!("there are {} classes, at most {MAX_CLASSES} are simulated", items.len());
        reader.pass.error(&key, items[MAX_CLASSES].place.clone(), message, "put those together that are routed alike");
        return &items[..MAX_CLASSES];
    }
    items
}

fn read_classes(reader: &mut Reader<'_, '_>, items: &[Node], traffic: &TrafficSpec) -> Vec<ClassSpec> {
    let rest = rest(items);
    let mut classes: Vec<ClassSpec> = vec![];
    for (index, item) in items.iter().enumerate() {
        let key = format!("{}[{index}]", reader.key("classes"));
        if item.table().is_none() {
            let message = format!("a class is a table, this is {}", item.kind_name());
            reader.pass.error(&key, item.place.clone(), message, HELP);
            continue;
        }
        let mut inner = Reader::new(reader.pass, key, item.table(), item.place.clone());
        let class = class(&mut inner, (traffic, rest));
        inner.refuse_unknown();
        if !class.name.is_empty() && classes.iter().any(|other| other.name == class.name) {
            let help = "give one another name: reports and thresholds go by it";
            inner.error_at("name", format!("there are two classes `{}`", class.name), help);
        }
        classes.push(class);
    }
    if reader.writes_schema() {
        let key = format!("{}[0]", reader.key("classes"));
        class(&mut Reader::new(reader.pass, key, None, None), (traffic, rest));
    }
    if traffic.arrivals.spread().is_some() && !has_bad_shares(reader.pass) {
        add_up(reader, items, rest);
    }
    classes
}

/// What the shares of the others leave to a class that says neither a share nor a rate.
fn rest(items: &[Node]) -> f64 {
    let shares: f64 = items.iter().filter_map(|item| number_from(value(item, "share")?)).sum();
    // Without the last bits of sums like 0.1 + 0.2.
    ((1.0 - shares) * 1e9).round() / 1e9
}

fn value<'a>(class: &'a Node, name: &str) -> Option<&'a Node> {
    class.table().and_then(|class| class.get(name)).map(|entry| &entry.value)
}

/// Where shares, or the arrivals as such, are wrong or misspelt, what they add up to says nothing more.
fn has_bad_shares(pass: &Pass) -> bool {
    let is_about_shares = |problem: &Problem| {
        let key = problem.key.rsplit('.').next().unwrap_or_default();
        path::is_within(&problem.key, "traffic.arrivals")
            || path::is_within(&problem.key, "traffic.classes") && nearest(key, &["share", "rate"]).is_some()
    };
    pass.problems.iter().any(|problem| problem.severity == Severity::Error && is_about_shares(problem))
}

/// All that arrives at `traffic.rate` belongs to one of the classes.
fn add_up(reader: &mut Reader<'_, '_>, items: &[Node], rest: f64) {
    /// Three shares of 0.333333 are a whole.
    const ROUNDING: f64 = 1e-5;
    let says = |name: &'static str| move |item: &&Node| value(item, name).is_some();
    let resting: Vec<_> = items.iter().filter(|item| !says("share")(item) && !says("rate")(item)).collect();
    let key = reader.key("classes");
    let place = |item: &Node| item.place.clone();
    match &resting[..] {
        [] if items.iter().any(|item| says("share")(&item)) && rest.abs() > ROUNDING => {
            let at = items.iter().rfind(says("share")).and_then(|item| value(item, "share"));
            let message = format!("the shares add up to {}, they must add up to 1", sum(rest));
            let help = match rest < 0.0 {
                true => format!("lower them by {} together, or give a class a `rate` of its own", -rest),
                false => {
                    "leave one `share` out: that class has the rest; or give a class a `rate` of its own".to_owned()
                }
            };
            reader.pass.error(&key, at.and_then(place), message, help);
        }
        [class] if rest < 0.0 => {
            let message = format!("the shares of the other classes add up to {}: nothing is left", sum(rest));
            let help = "lower the others, or give this class a `rate` of its own";
            reader.pass.error(&key, place(class), message, help);
        }
        [] | [_] => {}
        [_, others @ ..] => {
            for class in others {
                let help = "write share = 0.1 or rate = \"25/s\"; one class alone may leave both out and has the rest";
                reader.pass.error(&key, place(class), "this class has neither `share` nor `rate`", help);
            }
        }
    }
}

fn sum(rest: f64) -> f64 {
    ((1.0 - rest) * 1e9).round() / 1e9
}

fn class(reader: &mut Reader<'_, '_>, (traffic, rest): (&TrafficSpec, f64)) -> ClassSpec {
    let name = name(reader);
    let rate = rate_of_class(reader, (traffic, rest));
    let arrivals = arrivals_of_class(reader, &traffic.arrivals);
    let service_time = reader.optional_distribution("service_time", "Instead of traffic.service_time");
    let mut request = http_request::read(reader);
    let caller = caller(reader);
    if caller.as_ref().is_some_and(|caller| !caller.propagates_headers) {
        request.headers.clear();
    }
    let calls_per_action = reader.optional_count(
        "calls_per_action",
        1..=1_000,
        "For one action of a user the caller sends so many requests, at once, each routed by itself. They all count in the rate",
    );
    let calls_per_action = calls_per_action.unwrap_or(1);
    let users = users::read(reader);
    let class = ClassSpec {
        name,
        rate,
        arrivals,
        service_time: service_time.unwrap_or_else(|| traffic.service_time.clone()),
        request,
        users,
        caller,
        calls_per_action,
    };
    if let Arrivals::Recorded { recording, .. } = &traffic.arrivals {
        return replay::class(class, recording);
    }
    check_sessions(reader, &class);
    class
}

/// It names the class in reports, in thresholds and in a file of arrivals.
fn name(reader: &mut Reader<'_, '_>) -> String {
    const NOTE: &str = "Name of the class, for reports and thresholds";
    if !reader.has("name") && !reader.writes_schema() {
        reader.missing("name", HELP);
    }
    let is_plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let name = reader.value(
        "name",
        (json!({ "type": "string" }), NOTE),
        None,
        |name: &String| quoted(name),
        |node| {
            let name = text_from("name", node)?;
            if !name.is_empty() && name.chars().all(is_plain) {
                return Ok(name);
            }
            Err((
                format!("{} is no name of a class", quoted(&name)),
                "it has letters, digits, `-`, `_` and `.`".to_owned(),
            ))
        },
    );
    name.unwrap_or_default()
}

fn arrivals_of_class(reader: &mut Reader<'_, '_>, default: &Arrivals) -> Arrivals {
    if reader.has("arrivals") || reader.writes_schema() {
        return reader.choice("arrivals", &DRAWN, "Instead of traffic.arrivals");
    }
    reader.accept("arrivals");
    default.clone()
}

fn rate_of_class(reader: &mut Reader<'_, '_>, (traffic, rest): (&TrafficSpec, f64)) -> RateProfile {
    const RATE: &str = "Its own rate, on top of what the shares are of";
    const SHARE: &str = "Its share of traffic.rate. Assumption: a class that says nothing has the rest";
    let own = rate_profile::read(reader, "rate", RATE);
    if reader.has("rate") && reader.has("share") {
        reader.error_at("share", "a class has one of `share` and `rate`", "a share is of traffic.rate");
    }
    let is_drawn = traffic.arrivals.spread().is_some();
    if (reader.has("rate") || !is_drawn && !reader.has("share")) && !reader.writes_schema() {
        // Known, to be told as above.
        reader.accept("share");
        return own.unwrap_or_else(|| traffic.rate.clone());
    }
    let share = reader.share("share", rest.clamp(0.0, 1.0), SHARE);
    traffic.rate.times(share)
}

/// A session is made of whole actions, and there is an end to how many are open.
fn check_sessions(reader: &mut Reader<'_, '_>, class: &ClassSpec) {
    let Some((users, session)) = class.users.as_ref().and_then(|users| Some((users, users.session.as_ref()?))) else {
        return;
    };
    let (requests, calls) = (session.requests, class.calls_per_action);
    if requests % calls != 0 {
        let message = format!("a session of {requests} requests is not made of actions of {calls} requests each");
        let help = format!("requests_per_session is a multiple of calls_per_action: {calls}, {}, …", calls * 2);
        reader.error_at("users", message, &help);
    }
    // Little: those that begin in the time that one takes.
    let begin_per_second = class.rate.peak().per_second() / f64::from(requests);
    let open =
        begin_per_second * session.think_time.mean().as_secs_f64() * f64::from((requests / calls).saturating_sub(1));
    if open > MOST_OPEN_SESSIONS {
        let most = grouped(MOST_OPEN_SESSIONS as u64);
        let message = format!("{} sessions are open at a time, at most {most} are simulated", grouped(open as u64));
        reader.error_at("users", message, "each has its place in memory: fewer requests, or a shorter think_time");
    } else if open > f64::from(users.count) {
        let (key, place) = (reader.key("users"), reader.place_of("users"));
        let of = counted(u64::from(users.count), "user");
        let message = format!("{} sessions are open at a time, of {of}", grouped(open as u64));
        reader.pass.warning(&key, place, message, "so a user has several at once: more users, or a lower rate");
    }
}

/// 16 bytes each, and as many in reserve.
const MOST_OPEN_SESSIONS: f64 = 1e7;

fn caller(reader: &mut Reader<'_, '_>) -> Option<Caller> {
    const CALLER: &str = "A service in front of this one, which sends the requests for its users";
    const PROPAGATES: &str =
        "Whether the caller hands `headers` on: without that, no route sees them. Assumption: it does";
    let name = reader.text("caller", None, CALLER);
    if name.is_none() && !reader.writes_schema() {
        if reader.has("propagates_headers") {
            let help = "write caller = \"portal\": the service that drops the headers of its users";
            reader.error_at("propagates_headers", "`propagates_headers` without `caller`", help);
        }
        reader.accept("propagates_headers");
        return None;
    }
    let propagates_headers = reader.boolean("propagates_headers", true, PROPAGATES);
    name.map(|name| Caller { name, propagates_headers })
}
