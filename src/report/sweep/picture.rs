//! `sweep.svg`: one axis as lines, two as a heat map, more as several heat maps, a sample as clouds of points.

use super::definition::Definition;
use super::results::Results;
use crate::report::svg::{heat_map, lines, scatter};
use crate::sweep::design::Design;

/// What is drawn besides the figure that the user chose, where there is room for several.
const USUAL: [&str; 4] = ["elb_5xx.count", "errors.seconds", "errors.share_while_failing", "pods.extra_pod_seconds"];

/// Which figures the picture needs: the first is the one that was chosen.
pub fn figures(design: &Design, chosen: Option<usize>) -> Vec<usize> {
    let usual = USUAL.iter().filter_map(|name| super::figure(name));
    let first = chosen.or_else(|| super::figure(USUAL[0])).expect("the usual figures are kept");
    let mut figures = vec![first];
    if design.is_grid() && design.axes().len() == 1 {
        figures.extend(usual.filter(|figure| *figure != first));
    }
    figures
}

pub fn draw(definition: &Definition, design: &Design, results: &Results) -> String {
    match design.axes().len() {
        _ if !design.is_grid() => scatter::draw(definition, design, results),
        1 => lines::draw(definition, design, results),
        _ => heat_map::draw(definition, design, results),
    }
}
