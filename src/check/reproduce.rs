//! How to see what a page speaks of, with nothing but this program: lines for a shell.

/// Lines of this form at the head of an example say what no manifest can.
const SET: &str = "# --set ";

/// A scenario of the gallery that shows what comes of it.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Its name in `sim init --list`.
    pub scenario: &'static str,
    /// What is changed in it: `KEY=VALUE`.
    pub set: &'static [&'static str],
}

impl Run {
    pub const fn of(scenario: &'static str) -> Self {
        Self { scenario, set: &[] }
    }

    /// Two lines: the scenario comes to the current folder, and is run there.
    pub fn lines(&self) -> String {
        let file = self.scenario.rsplit('/').next().unwrap_or(self.scenario);
        format!("sim init {}\nsim run {file}.toml{}\n", self.scenario, options(self.set.iter().copied()))
    }
}

/// `sim check -`, with the example behind it.
pub fn check(example: &str) -> String {
    let (head, manifests): (Vec<&str>, Vec<&str>) = example.lines().partition(|line| line.starts_with(SET));
    let options = options(head.iter().filter_map(|line| line.strip_prefix(SET)));
    format!("sim check -{options} <<'EOF'\n{}\nEOF\n", manifests.join("\n"))
}

fn options<'s>(assignments: impl Iterator<Item = &'s str>) -> String {
    assignments.map(|assignment| format!(" --set {}", quoted(assignment))).collect()
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "=._/-".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_for_a_shell() {
        let run = Run { scenario: "a/b-c", set: &["x.y=2s", "z=\"it's\""] };
        assert_eq!(run.lines(), "sim init a/b-c\nsim run b-c.toml --set x.y=2s --set 'z=\"it'\\''s\"'\n");
        let example = "# --set a=1\n# --set b={ min = 1 }\n# A comment.\nkind: X\n";
        let expected = "sim check - --set a=1 --set 'b={ min = 1 }' <<'EOF'\n# A comment.\nkind: X\nEOF\n";
        assert_eq!(check(example), expected);
    }
}
