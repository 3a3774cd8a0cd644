//! The results of a sweep: the folder's files, its pictures, and what CI systems read.

pub mod cells;
pub mod ci;
pub mod definition;
pub mod json;
pub mod junit;
pub mod names;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod picture;
pub mod results;
pub mod table;
pub mod text;

use crate::sweep::play::FIGURES;

/// A figure's name in a column: `elb_502.count` is `elb_502`, `errors.seconds` is `errors_seconds`.
pub fn column(figure: &str) -> String {
    figure.strip_suffix(".count").unwrap_or(figure).replace('.', "_")
}

/// The figure that a user names, as a threshold or as a column does.
pub fn figure(name: &str) -> Option<usize> {
    FIGURES.iter().position(|figure| *figure == name || column(figure) == name)
}
