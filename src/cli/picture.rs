//! A picture in the format that its file's name asks for.

use super::Done;
#[cfg(not(feature = "png"))]
use super::Failure;
use std::path::Path;

/// SVG, or PNG if the name ends in `.png`.
pub fn bytes(target: &Path, svg: String) -> Done<Vec<u8>> {
    if target.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("png")) {
        return Ok(svg.into_bytes());
    }
    png(&svg)
}

#[cfg(feature = "png")]
fn png(svg: &str) -> Done<Vec<u8>> {
    Ok(crate::report::png::render(svg))
}

#[cfg(not(feature = "png"))]
fn png(_: &str) -> Done<Vec<u8>> {
    let help = "write --output x.svg, or build with --features png".to_owned();
    Err(Failure::Input("this build draws no PNG".to_owned(), help))
}
