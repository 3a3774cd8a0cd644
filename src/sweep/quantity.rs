//! Numbers with a unit, as the ends and steps of a range: `0.5`, `30s`, `25%`, `100/s`.

use crate::units::Duration;
use std::fmt;

/// What follows the number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Kept as it was written: `s`, `%`, `/min`, or nothing.
    Suffix(String),
    /// A duration, in seconds: ends with different units, or of several parts like `1m30s`.
    Duration,
}

/// An exact decimal number: billionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal(pub i128);

const ONE: i128 = Decimal::ONE.0;

/// Larger numbers are no parameter of any scenario, and could overflow when a range is spread.
const LARGEST: i128 = 1_000_000_000_000_000 * ONE;

impl Decimal {
    pub const ONE: Self = Self(1_000_000_000);

    pub fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |part: &str| part.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
            return None;
        }
        let whole: i128 = whole.parse().ok()?;
        let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
        let value = whole.checked_mul(ONE)?.checked_add(fraction)?;
        (value <= LARGEST).then_some(Self(sign * value))
    }

    pub fn to_f64(self) -> f64 {
        self.0 as f64 / ONE as f64
    }

    /// To the nearest whole number.
    pub fn whole(value: f64) -> Self {
        Self(value.round() as i128 * ONE)
    }

    /// To so many significant digits.
    pub fn rounded(value: f64, digits: usize) -> Self {
        let rounded: f64 = format!("{value:.*e}", digits - 1).parse().expect("it was printed as a number");
        Self((rounded * ONE as f64).round() as i128)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (self.0.unsigned_abs() / ONE as u128, self.0.unsigned_abs() % ONE as u128);
        write!(f, "{sign}{whole}")?;
        if fraction > 0 {
            write!(f, ".{}", format!("{fraction:09}").trim_end_matches('0'))?;
        }
        Ok(())
    }
}

/// A number with what follows it.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).unwrap_or(text.len());
    text.split_at(end)
}

/// Quantities that go together, and the unit that all of them have.
pub fn parse_all(texts: &[&str]) -> Result<(Vec<Decimal>, Unit), String> {
    let parts: Vec<_> = texts.iter().map(|text| split(text)).collect();
    let suffix = parts[0].1;
    if parts.iter().all(|(number, unit)| *unit == suffix && Decimal::parse(number).is_some()) {
        let numbers = parts.iter().filter_map(|(number, _)| Decimal::parse(number)).collect();
        return Ok((numbers, Unit::Suffix(suffix.to_owned())));
    }
    if let Ok(seconds) = texts.iter().map(|text| duration(text)).collect() {
        return Ok((seconds, Unit::Duration));
    }
    match texts.iter().zip(&parts).find(|(_, (number, _))| Decimal::parse(number).is_none()) {
        Some((text, _)) => Err(format!("`{text}` is not a number with a unit")),
        None => Err(format!(
            "{} have different units",
            texts.iter().map(|t| format!("`{t}`")).collect::<Vec<_>>().join(" and ")
        )),
    }
}

/// A step can go down: `-30s`.
fn duration(text: &str) -> Result<Decimal, String> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    // A second is a billion nanoseconds, and a Decimal counts billionths.
    text.parse::<Duration>().map(|duration| Decimal(sign * i128::from(duration.as_nanos())))
}

impl Unit {
    /// As it is written in a scenario.
    pub fn write(&self, number: Decimal) -> String {
        match self {
            Self::Suffix(suffix) => format!("{number}{suffix}"),
            Self::Duration => {
                Duration::from_nanos(u64::try_from(number.0).expect("a duration between two others")).to_string()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_exact_and_prints_as_it_reads() {
        for text in ["0", "0.1", "-2.5", "45", "1000000", "0.000000001"] {
            assert_eq!(Decimal::parse(text).map(|number| number.to_string()), Some(text.to_owned()));
        }
        let (tenth, fifth) = (Decimal::parse("0.1").unwrap(), Decimal::parse("0.2").unwrap());
        assert_eq!(Decimal(tenth.0 + fifth.0).to_string(), "0.3");
        for text in ["", "x", "1.2.3", "1e3", ".5", "--1", "1.0000000001", "99999999999999999"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn one_unit_is_kept_and_several_make_a_duration() {
        let write = |texts: &[&str]| {
            parse_all(texts).map(|(numbers, unit)| numbers.into_iter().map(|n| unit.write(n)).collect::<Vec<_>>())
        };
        assert_eq!(write(&["90s", "120s"]), Ok(vec!["90s".to_owned(), "120s".to_owned()]));
        assert_eq!(write(&["90s", "2m"]), Ok(vec!["1m30s".to_owned(), "2m".to_owned()]));
        assert_eq!(write(&["5%", "25%"]), Ok(vec!["5%".to_owned(), "25%".to_owned()]));
        assert_eq!(write(&["5%", "25"]), Err("`5%` and `25` have different units".to_owned()));
        assert_eq!(write(&["5", "x"]), Err("`x` is not a number with a unit".to_owned()));
    }
}
