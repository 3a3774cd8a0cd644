//! JUnit XML: one test case for each cell, written row by row, as a sweep may have very many.

use super::results::{Results, reason};
use super::table::Row;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, Event};
use std::io::{self, Write};

/// `results` are those of all `rows`: the counts come first in the file.
pub fn write<E>(
    out: impl Write,
    name: &str,
    names: &[String],
    results: &Results,
    rows: impl Iterator<Item = Result<Row, E>>,
) -> io::Result<()>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut xml = Writer::new_with_indent(out, b' ', 4);
    let tests = results.cells.len().to_string();
    let (failures, errors) = (results.failed.to_string(), results.invalid.to_string());
    let counts = [("tests", &*tests), ("skipped", "0"), ("failures", &*failures), ("errors", &*errors)];
    let element = |tag, name| BytesStart::new(tag).with_attributes([("name", name)]).with_attributes(counts);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.write_event(Event::Start(element("testsuites", "rollout-sim")))?;
    xml.write_event(Event::Start(element("testsuite", name)))?;
    for row in rows {
        let row = row.map_err(io::Error::other)?;
        let label = row.label(names);
        let case = xml.create_element("testcase").with_attributes([("name", &*label), ("classname", name)]);
        let (tag, of) = match (row.error.is_empty(), row.fails()) {
            (false, _) => ("error", "scenario"),
            (true, true) => ("failure", "threshold"),
            (true, false) => {
                case.write_empty()?;
                continue;
            }
        };
        let message = reason(&row);
        case.write_inner_content(|case| {
            case.create_element(tag).with_attributes([("message", &*message), ("type", of)]).write_empty().map(|_| ())
        })?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuite")))?;
    xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
    xml.into_inner().write_all(b"\n")
}
