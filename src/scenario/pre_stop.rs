//! How long a preStop hook runs, as far as the manifest tells.

use super::document::Node;
use crate::units::Duration;

/// What a container's `lifecycle.preStop` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreStop {
    None,
    /// `sleep.seconds`: the API server checks it against the grace period.
    Sleep(Duration),
    /// `exec.command` with sleeps in it.
    Command(Duration),
    /// A hook whose time nobody can read off the manifest.
    Unknown,
}

impl PreStop {
    /// How long the hook takes; `unknown` where the manifest does not tell.
    pub const fn time(self, unknown: Duration) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Sleep(time) | Self::Command(time) => Some(time),
            Self::Unknown => Some(unknown),
        }
    }

    pub fn from_command(words: &[&str]) -> Self {
        let sleeps = match words {
            [sleep, times @ ..] if basename(sleep) == "sleep" => sum(times),
            [shell, flags, script, ..] if is_shell(shell) && flags.starts_with('-') && flags.ends_with('c') => {
                script_time(script)
            }
            _ => None,
        };
        sleeps.map_or(Self::Unknown, Self::Command)
    }
}

/// The words of `exec.command`; None unless it is an array of strings.
pub fn words(node: &Node) -> Option<Vec<&str>> {
    let words: Vec<_> = node.array()?.iter().map(Node::text).collect::<Option<_>>()?;
    (!words.is_empty()).then_some(words)
}

fn basename(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

pub fn is_shell(path: &str) -> bool {
    matches!(basename(path), "sh" | "bash" | "ash" | "dash" | "zsh")
}

/// The sum of the sleeps of a script that runs straight through; every other command counts as instant.
fn script_time(script: &str) -> Option<Duration> {
    if script.contains(['$', '`', '|', '(', '{']) {
        return None;
    }
    let mut total = None;
    for command in script.replace("&&", ";").split([';', '\n']) {
        let words: Vec<_> = command.split_whitespace().collect();
        match words[..] {
            ["while" | "until" | "for" | "if" | "do" | "then" | "case", ..] => return None,
            // In the background, so the script does not wait for it.
            [.., last] if last.ends_with('&') => return None,
            ["exec", sleep, ref times @ ..] | [sleep, ref times @ ..] if basename(sleep) == "sleep" => {
                total = Some(total.unwrap_or(Duration::ZERO) + sum(times)?);
            }
            _ => {}
        }
    }
    total
}

fn sum(times: &[&str]) -> Option<Duration> {
    if times.is_empty() {
        return None;
    }
    times.iter().map(|time| sleep_time(time)).sum()
}

/// An argument of `sleep`: seconds, or a number with s, m, h or d. Source: GNU coreutils, `sleep`.
fn sleep_time(text: &str) -> Option<Duration> {
    let text = text.trim_matches(['"', '\'']);
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let (unit, times) = if unit == "d" { ("h", 24) } else { (unit, 1) };
    let time = format!("{number}{unit}").parse::<Duration>().ok()? * times;
    (time <= Duration::MAX).then_some(time)
}

/// Whether the script tells the program to stop before it sleeps: then the program stops earlier than SIGTERM.
pub fn signals_before_sleeping(words: &[&str]) -> bool {
    let script = words.join(" ");
    let sleep = script.find("sleep").unwrap_or(script.len());
    ["kill ", "-s quit", "quitquitquit"].iter().any(|signal| script.find(signal).is_some_and(|at| at < sleep))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_are_read_off_the_command() {
        for (command, secs) in [
            (&["sleep", "60"][..], Some(60.0)),
            (&["/bin/sleep", "60"], Some(60.0)),
            (&["/bin/sh", "-c", "sleep 60"], Some(60.0)),
            (&["sh", "-c", "sleep 60 && nginx -s quit"], Some(60.0)),
            (&["bash", "-ec", "sleep 60; kill -TERM 1"], Some(60.0)),
            (&["sh", "-c", "echo bye\nsleep 1m"], Some(60.0)),
            (&["sh", "-c", "sleep 10; nginx -s quit; sleep 0.5h"], Some(1810.0)),
            (&["sh", "-c", "exec /bin/sleep 1.5s"], Some(1.5)),
            (&["sleep", "1m", "30"], Some(90.0)),
            (&["sleep", "infinity"], None),
            (&["sleep"], None),
            (&["sh", "-c", "while true; do sleep 1; done"], None),
            (&["sh", "-c", "sleep $DELAY"], None),
            (&["sh", "-c", "sleep 10 &"], None),
            (&["nginx", "-s", "quit"], None),
            (&["sh", "-c", "nginx -s quit"], None),
        ] {
            let expected = secs.map_or(PreStop::Unknown, |secs| PreStop::Command(Duration::from_secs_f64(secs)));
            assert_eq!(PreStop::from_command(command), expected, "{command:?}");
        }
    }
}
