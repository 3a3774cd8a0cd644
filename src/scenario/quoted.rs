//! Text as TOML writes it.

/// A TOML basic string. Rust's escapes are TOML's, but for the code points in braces.
pub fn quoted(text: &str) -> String {
    let mut toml = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => toml.push_str("\\\""),
            '\\' => toml.push_str("\\\\"),
            '\n' => toml.push_str("\\n"),
            '\t' => toml.push_str("\\t"),
            '\r' => toml.push_str("\\r"),
            c if c.is_control() => toml.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => toml.push(c),
        }
    }
    toml.push('"');
    toml
}
