//! JUnit XML: one suite for each deployment, one test case for each finding, and one for the release itself.

use super::{Findings, Position, requests, text};
use crate::check::finding::{Finding, Level};
use crate::check::{Checked, Simulated};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, Event};
use std::io;

pub fn render(findings: &Findings<'_>) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 4);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let element = |tag, name: &str, counts: [usize; 4]| {
        let [tests, skipped, failures, errors] = counts.map(|count| count.to_string());
        let counts = [("tests", tests.as_str()), ("skipped", &skipped), ("failures", &failures), ("errors", &errors)];
        BytesStart::new(tag).with_attributes([("name", name)]).with_attributes(counts).into_owned()
    };
    let suites: Vec<_> = findings.checked.iter().map(counts).collect();
    let sum = suites.iter().fold([0; 4], |sum, counts| [0, 1, 2, 3].map(|index| sum[index] + counts[index]));
    xml.write_event(Event::Start(element("testsuites", "rollout-sim", sum)))?;
    for (checked, counts) in findings.checked.iter().zip(suites) {
        xml.write_event(Event::Start(element("testsuite", &checked.title, counts)))?;
        release(&mut xml, checked)?;
        for finding in &checked.findings {
            case(&mut xml, findings, checked, finding)?;
        }
        xml.write_event(Event::End(BytesEnd::new("testsuite")))?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

/// Tests, those that are skipped, failures, errors.
fn counts(checked: &Checked) -> [usize; 4] {
    let count = |level| checked.findings.iter().filter(|finding| finding.level == level).count();
    let is_skipped = checked.simulated == Simulated::NoWorkload;
    let is_error = !is_skipped && checked.simulated.played().is_err();
    let errors = count(Level::Error) + usize::from(is_error);
    [checked.findings.len() + 1, usize::from(is_skipped), count(Level::Warning), errors]
}

/// That it can be simulated at all, and what came of it.
fn release(xml: &mut Writer<Vec<u8>>, checked: &Checked) -> io::Result<()> {
    let case =
        xml.create_element("testcase").with_attributes([("name", "release"), ("classname", checked.title.as_str())]);
    let played = match checked.simulated.played() {
        Ok(played) => played,
        Err(why) => {
            case.write_inner_content(|case| {
                let told = format!("{} {why}", checked.title);
                let message = ("message", told.as_str());
                let end = if checked.simulated == Simulated::NoWorkload {
                    case.create_element("skipped").with_attribute(message)
                } else {
                    case.create_element("error").with_attributes([message, ("type", "release")])
                };
                end.write_empty().map(|_| ())
            })?;
            return Ok(());
        }
    };
    let mended = text::supposed(checked).map_or(String::new(), |words| format!(", {words}"));
    let told = format!("{} failed requests in a release{mended}", requests(played.failed));
    case.write_inner_content(|case| {
        let content = quick_xml::events::BytesText::new(&told);
        case.create_element("system-out").write_text_content(content).map(|_| ())
    })?;
    Ok(())
}

fn case(xml: &mut Writer<Vec<u8>>, findings: &Findings<'_>, checked: &Checked, finding: &Finding) -> io::Result<()> {
    let position = Position::of(findings.sources, finding.place.as_ref());
    let place = position.map_or(String::new(), |position| format!(" {}:{}", position.file, position.line));
    let name = format!("{}{place}", finding.code);
    let message = text::sentences(finding);
    let case = xml
        .create_element("testcase")
        .with_attributes([("name", name.as_str()), ("classname", checked.title.as_str())]);
    let tag = match finding.level {
        Level::Error => "error",
        Level::Warning => "failure",
        // Good to know, and no failure.
        Level::Note => "system-out",
    };
    case.write_inner_content(|case| {
        if finding.level == Level::Note {
            let content = quick_xml::events::BytesText::new(&message);
            return case.create_element(tag).write_text_content(content).map(|_| ());
        }
        let attributes = [("message", message.as_str()), ("type", finding.code)];
        case.create_element(tag).with_attributes(attributes).write_empty().map(|_| ())
    })?;
    Ok(())
}
