//! How versions and errors look in the pictures of classes, and what stands above these pictures.

use super::canvas::{Canvas, FAINT, Font, INK, text_width};
use super::panel::{LEFT, RIGHT};
use crate::report::classes::{Class, request_line, version_name};
use crate::report::{counted, grouped};
use crate::run::{Answer, Run};
use crate::scenario::Loaded;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

/// v1, v2, … in the colours of their pods in the timeline, later ones between them in luminance. A run with more versions
/// begins anew.
const VERSIONS: [RGBColor; 5] = [
    RGBColor(0x17, 0x35, 0x5a),
    RGBColor(0x8f, 0xbf, 0xe6),
    RGBColor(0x2a, 0x8c, 0x82),
    RGBColor(0xc9, 0xd4, 0xa0),
    RGBColor(0x6b, 0x5b, 0x95),
];

/// The pods of somebody else answered.
const ELSEWHERE: RGBColor = RGBColor(0xc4, 0xc4, 0xc4);
/// Beside blues these are told apart by everybody. The red is lighter than the timeline's, which no dark blue surrounds.
pub(super) const TARGET_5XX: RGBColor = RGBColor(0xe8, 0x7a, 0x1d);
pub(super) const ELB_5XX: RGBColor = RGBColor(0xc4, 0x12, 0x2f);
pub(super) const UNROUTED: RGBColor = RGBColor(0x3a, 0x3a, 0x3a);

/// Of what a version answered well; 0 is no pod.
pub(super) fn colour(version: usize) -> RGBColor {
    match version.checked_sub(1) {
        None => ELSEWHERE,
        Some(index) => VERSIONS[index % VERSIONS.len()],
    }
}

/// How a request, or a part of many, is drawn.
#[derive(Clone, Copy)]
pub(super) enum Sign {
    Full(RGBColor),
    /// With a foot in the colour of whose it is.
    Footed(RGBColor, RGBColor),
    /// Nothing stands behind it.
    Hollow(RGBColor),
    /// Nor does anything stand before it.
    Crossed(RGBColor),
}

impl Sign {
    /// A box with its upper left corner there.
    pub(super) fn draw(self, canvas: &Canvas, (x, y): (i32, i32), side: i32) {
        let edge = (side * 2 / 5).max(1);
        match self {
            Self::Full(colour) => canvas.rectangle((x, y), (x + side, y + side), colour),
            Self::Footed(colour, foot) => {
                canvas.rectangle((x, y), (x + side, y + side - edge), colour);
                canvas.rectangle((x, y + side - edge), (x + side, y + side), foot);
            }
            Self::Hollow(colour) => {
                let edge = (side / 5).max(1);
                canvas.rectangle((x, y), (x + side, y + side), colour);
                canvas.rectangle((x + edge, y + edge), (x + side - edge, y + side - edge), WHITE);
            }
            Self::Crossed(colour) => {
                canvas.line(vec![(x, y), (x + side, y + side)], colour, 1);
                canvas.line(vec![(x, y + side), (x + side, y)], colour, 1);
            }
        }
    }
}

/// What a picture is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Drawn {
    Shares,
    Boxes,
}

/// What is in the run, each with its sign.
pub(super) fn key(run: &Run, drawn: Drawn) -> Vec<(String, Sign)> {
    let has =
        |version: usize, answer: Answer| run.classes.iter().any(|class| class.total(version)[answer as usize] > 0);
    let versions = run.classes.iter().map(|class| class.versions()).max().unwrap_or(0);
    let any = |answer: Answer| (0..versions).any(|version| has(version, answer));
    let well = (1..versions).filter(|version| has(*version, Answer::Ok) || has(*version, Answer::Target5xx));
    let well = well.map(|version| (version_name(version), Sign::Full(colour(version))));
    // The first version that fails stands for all of them.
    let bad = (0..versions).rfind(|version| has(*version, Answer::Target5xx));
    let [own, elb, unrouted] = match drawn {
        Drawn::Shares => [TARGET_5XX, ELB_5XX, UNROUTED].map(Sign::Full),
        Drawn::Boxes => {
            let own = Sign::Footed(TARGET_5XX, colour(bad.unwrap_or(0)));
            [own, Sign::Hollow(ELB_5XX), Sign::Crossed(UNROUTED)]
        }
    };
    let rest = [
        ("another service", has(0, Answer::Ok), Sign::Full(ELSEWHERE)),
        ("5xx of the program", bad.is_some(), own),
        ("ELB 5xx", any(Answer::Elb5xx), elb),
        ("404, no rule", any(Answer::Elb404), unrouted),
    ];
    let rest = rest.into_iter().filter(|(_, is_there, _)| *is_there);
    well.chain(rest.map(|(name, _, sign)| (name.to_owned(), sign))).collect()
}

/// The height of the lines above the marks.
pub(super) const HEAD: i32 = 108;

/// Title, what was run, how to read the picture, and what its colours mean.
pub(super) fn head(canvas: &Canvas, top: i32, ((loaded, run), drawn): ((&Loaded, &Run), Drawn)) {
    canvas.text(&super::fit(&loaded.scenario.title, 24.8), (LEFT, top + 12), Font::bold(24.8));
    let subtitle = format!(
        "scenario {}, seed {}, fingerprint {:016x}: {} in {} of traffic",
        loaded.scenario.name,
        run.seed,
        run.fingerprint,
        counted(run.requests.total, "request"),
        match run.classes.len() {
            1 => "1 class".to_owned(),
            count => format!("{count} classes"),
        },
    );
    let how_to_read = match drawn {
        Drawn::Shares => {
            "Height: the part of the requests that each version answered, from 0 to 100 %. A tick above a band: there a \
             request failed."
        }
        Drawn::Boxes => {
            "A row is a user, a box one request, in order of time; who met the new version first stands on top. A dot at \
             the end: went back and forth."
        }
    };
    canvas.text(&super::fit(&subtitle, 15.5), (LEFT, top + 42), Font::plain(FAINT));
    canvas.text(how_to_read, (LEFT, top + 60), Font::plain(FAINT));
    draw_key(canvas, (LEFT, top + 88), &key(run, drawn));
}

const SIDE: i32 = 11;

/// From there to the right.
pub(super) fn draw_key(canvas: &Canvas, (mut x, y): (i32, i32), key: &[(String, Sign)]) {
    for (name, sign) in key {
        sign.draw(canvas, (x, y - SIDE / 2), SIDE);
        canvas.text(name, (x + SIDE + 6, y), Font::plain(INK).anchored(HPos::Left, VPos::Center));
        x += text_width(name) + SIDE + 22;
    }
}

/// So much room it takes.
pub(super) fn key_width(key: &[(String, Sign)]) -> i32 {
    key.iter().map(|(name, _)| text_width(name) + SIDE + 22).sum()
}

/// The line above a class: its name and what its requests ask for at the left, figures at the right.
pub(super) fn caption(canvas: &Canvas, y: i32, (class, figures): (&Class<'_>, &str)) {
    const NAME: usize = 28;
    /// Bold letters are wider.
    const BOLD: i32 = 8;
    let shorten = |text: &str, most: usize| match text.chars().count() > most {
        true => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    };
    let name = shorten(&class.spec.name, NAME);
    canvas.text(&name, (LEFT, y), Font::strong().anchored(HPos::Left, VPos::Center));
    canvas.text(figures, (RIGHT, y), Font::plain(INK).anchored(HPos::Right, VPos::Center));
    let x = LEFT + i32::try_from(name.chars().count()).expect("a name is short") * BOLD + 12;
    let room = (RIGHT - text_width(figures) - 16 - x) / 7;
    if let Some(room) = usize::try_from(room).ok().filter(|room| *room > 3) {
        let asked = shorten(&asked(class), room);
        canvas.text(&asked, (x, y), Font::plain(FAINT).anchored(HPos::Left, VPos::Center));
    }
}

/// `/login, X-Canary: yes, from portal`.
fn asked(class: &Class<'_>) -> String {
    let caller = class.spec.caller.as_ref().map(|caller| format!(", from {}", caller.name));
    format!("{}{}", request_line(&class.spec.request), caller.unwrap_or_default())
}

/// `4,568 target 5xx, 1,318 ELB 5xx`; only what there is.
pub(super) fn errors(class: &Class<'_>) -> String {
    let total = class.total;
    let kinds = [(total.target_5xx, "target 5xx"), (total.elb_5xx, "ELB 5xx"), (total.elb_404, "got 404")];
    let kinds = kinds.into_iter().filter(|(count, _)| *count > 0);
    kinds.map(|(count, name)| format!(", {} {name}", grouped(count))).collect()
}
