//! The texts that a scenario is read from, end to end: a place counts the bytes through all of them.

use crate::model::traffic::recording::Recording;
use std::ops::Range;
use std::sync::Arc;

/// A scenario file, manifests, or a scenario file with the manifests and the arrivals that it names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sources {
    texts: Vec<Source>,
    /// Where the first manifest begins.
    manifests: Option<usize>,
    /// Of the file of arrivals; its text is not kept.
    recording: Option<Arc<Recording>>,
}

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file as the user named it; `-` for what came through a pipe.
    pub name: String,
    pub text: String,
    /// Its place behind the texts before it.
    pub start: usize,
    /// Whether a person named this very file, and did not only point at a folder that has it.
    pub is_named: bool,
}

impl Sources {
    /// Of a scenario file alone, or the first text of several.
    pub fn scenario(name: &str, text: &str) -> Self {
        let source = Source { name: name.to_owned(), text: text.to_owned(), start: 0, is_named: true };
        Self { texts: vec![source], ..Self::default() }
    }

    pub fn add_manifests(&mut self, name: &str, text: &str, is_named: bool) {
        // Behind the end of the one before, where an empty place may stand.
        let start = self.texts.last().map_or(0, |last| last.start + last.text.len() + 1);
        self.manifests.get_or_insert(start);
        self.texts.push(Source { name: name.to_owned(), text: text.to_owned(), start, is_named });
    }

    /// With the arrivals of a file.
    #[must_use]
    pub fn with_recording(self, recording: Arc<Recording>) -> Self {
        Self { recording: Some(recording), ..self }
    }

    pub fn recording(&self) -> Option<&Arc<Recording>> {
        self.recording.as_ref()
    }

    /// The same files with other texts.
    #[must_use]
    pub fn with_texts(&self, texts: Vec<String>) -> Self {
        let mut changed = Self { recording: self.recording.clone(), ..Self::default() };
        for (source, text) in self.texts.iter().zip(texts) {
            if self.is_of_manifest(source.start) {
                changed.add_manifests(&source.name, &text, source.is_named);
            } else {
                changed = Self { recording: changed.recording, ..Self::scenario(&source.name, &text) };
            }
        }
        changed
    }

    pub fn texts(&self) -> &[Source] {
        &self.texts
    }

    pub fn manifests(&self) -> impl Iterator<Item = &Source> {
        self.texts.iter().filter(|source| self.is_of_manifest(source.start))
    }

    pub fn is_of_manifest(&self, at: usize) -> bool {
        self.manifests.is_some_and(|manifests| at >= manifests)
    }

    /// The text that has this place, and where in it.
    pub fn locate(&self, place: &Range<usize>) -> Option<(&Source, Range<usize>)> {
        let source = self.texts.iter().rfind(|source| source.start <= place.start)?;
        let within = |at: usize| at.saturating_sub(source.start).min(source.text.len());
        Some((source, within(place.start)..within(place.end)))
    }

    /// The words at a place.
    pub fn text(&self, place: &Range<usize>) -> &str {
        self.locate(place).and_then(|(source, within)| source.text.get(within)).unwrap_or_default()
    }

    /// Line and column, both from 1; columns count characters.
    pub fn line_and_column(&self, at: usize) -> (usize, usize) {
        let Some((source, within)) = self.locate(&(at..at)) else { return (1, 1) };
        let before = source.text.get(..within.start).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line..].chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_in_one_of_the_texts() {
        let mut sources = Sources::scenario("a.toml", "seed = 1\n");
        sources.add_manifests("b.yaml", "kind: Röllout\nx: 1\n", true);
        sources.add_manifests("c.yaml", "y", false);
        let starts: Vec<_> = sources.texts().iter().map(|source| source.start).collect();
        assert_eq!(starts, [0, 10, 31]);
        assert_eq!(sources.text(&(0..4)), "seed");
        assert_eq!(sources.text(&(16..24)), "Röllout");
        assert_eq!(sources.locate(&(9..9)).unwrap().0.name, "a.toml");
        assert_eq!(sources.locate(&(31..32)).unwrap().0.name, "c.yaml");
        assert_eq!(sources.line_and_column(25), (2, 1));
        assert_eq!(sources.line_and_column(24), (1, 14));
        assert!(!sources.is_of_manifest(9) && sources.is_of_manifest(10));
    }
}
