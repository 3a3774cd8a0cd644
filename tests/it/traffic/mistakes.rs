//! A mistake in `[traffic]` is told once, where it is, with what to write instead.

use super::{class, problems};

/// Two classes.
fn two(one: &str, other: &str) -> String {
    format!("rate = \"50/s\"\n[[traffic.classes]]\nname = \"a\"\n{one}\n[[traffic.classes]]\nname = \"b\"\n{other}")
}

/// All that is said of each, without its key.
fn check(cases: &[(String, &str)]) {
    for (traffic, expected) in cases {
        let told: Vec<_> = problems(traffic).iter().map(|told| told.split_once(" @ ").unwrap().1.to_owned()).collect();
        assert_eq!(told, [*expected], "{traffic}");
    }
}

#[test]
fn a_bad_share_is_the_only_cause() {
    let bounds = "it must lie between 0.0 and 1.0";
    check(&[
        (two("shaer = 0.1", ""), "shaer: unknown key `shaer` (did you mean `share`?)"),
        (two("share = 2", ""), &format!("2: `share` is 2, {bounds} (write share = 0.02)")),
        (two("share = -0.1", ""), &format!("-0.1: `share` is -0.1, {bounds} (write share = 0.1)")),
        (
            two("share = \"10%\"", ""),
            "\"10%\": `share` is a string, it must be a number between 0.0 and 1.0 (write share = 0.1)",
        ),
        (
            format!("arrivals = \"posson\"\n{}", two("", "")),
            "\"posson\": `posson` is no choice for `arrivals` (it is one of poisson, uniform, or { file = \"arrivals.csv\" })",
        ),
        (
            format!("arrivals = {{ fil = \"a.csv\" }}\n{}", two("", "")),
            "{ fil = \"a.csv\" }: unknown key `fil` (write arrivals = { file = \"arrivals.csv\" })",
        ),
        (
            two("share = 0.6", "share = 0.6"),
            "0.6: the shares add up to 1.2, they must add up to 1 (lower them by 0.2 together, or give a class a `rate` of its \
             own)",
        ),
        (
            format!("{}\n[[traffic.classes]]\nname = \"c\"", two("share = 0.6", "share = 0.6")),
            "[[traffic.classes]]: the shares of the other classes add up to 1.2: nothing is left (lower the others, or give this \
             class a `rate` of its own)",
        ),
    ]);
}

#[test]
fn a_help_says_what_to_write() {
    let users = |rest: &str| class(&format!("users = {{ count = 5, {rest} }}"));
    check(&[
        (
            two("", "share = 0.5").replace("\"b\"", "\"a\""),
            "\"a\": there are two classes `a` (give one another name: reports and thresholds go by it)",
        ),
        (
            users("activity = { zipf = 0 }"),
            "{ zipf = 0 }: `zipf` is 0, it must lie between 0.001 and 10 (write activity = \"uniform\": then all are alike)",
        ),
        (
            users("requests_per_session = 0"),
            "0: `requests_per_session` is 0, it must lie between 1 and 1,000,000 (write requests_per_session = 20, or leave it \
             out: then each request is of any user)",
        ),
        (
            class("users = 1.5"),
            "1.5: `users` is a decimal number, it must be a whole number or a table (write users = 1000 or users = { count = 1000 \
             })",
        ),
    ]);
}

#[test]
fn headers_are_those_of_http() {
    let name = "it has letters, digits and a few signs: X-Canary";
    let value = "it has no line break or other control character, and no blank at its ends";
    check(&[
        (
            class("headers = { \"X Canary\" = \"1\" }"),
            &format!("\"X Canary\": \"X Canary\" is no name of a header ({name})"),
        ),
        (
            class("headers = { a = \"1\\r\\nb: 2\" }"),
            &format!("\"1\\r\\nb: 2\": \"1\\r\\nb: 2\" is no value of a header ({value})"),
        ),
        (class("headers = { a = \" 1\" }"), &format!("\" 1\": \" 1\" is no value of a header ({value})")),
        (
            class("headers = { a = \"\\u007f\" }"),
            &format!("\"\\u007f\": \"\\U0000007F\" is no value of a header ({value})"),
        ),
    ]);
    assert_eq!(problems(&class("headers = { a = \"\", b = \"ä b\\tc\" }")), [""; 0]);
}
