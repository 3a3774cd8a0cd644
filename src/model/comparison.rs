//! How a figure is held against a bound: in alerts, analyses and thresholds alike.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    /// Longer signs first: `<=` starts with `<`.
    pub const ALL: [(&'static str, Self); 6] = [
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    /// The one with this sign.
    pub fn of(sign: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == sign).map(|(_, comparison)| *comparison)
    }

    /// With NaN only `!=` holds.
    pub fn holds(self, observed: f64, bound: f64) -> bool {
        match self {
            Self::Equal => observed == bound,
            Self::NotEqual => observed != bound,
            Self::Less => observed < bound,
            Self::AtMost => observed <= bound,
            Self::Greater => observed > bound,
            Self::AtLeast => observed >= bound,
        }
    }
}
