//! What a display name says: which personal access token, and where in its life it is. The state of a rotation lives in
//! display names, so the grammar of the markers is written here, once, in both directions.

use std::fmt;

use crate::model::html;
use crate::model::run_id::RunId;
use crate::model::text;
use crate::model::timestamp::Timestamp;

/// Longest name accepted, so that the longest marker still fits into the 256 characters assumed here.
/// The service refuses a longer one with `invalidDisplayName`.
///
/// docs/assumptions.md: A display name may have 256 characters.
/// docs/assumptions.md: A display name is read back as it was sent.
const LONGEST_NAME: usize = 190;

/// The name of the personal access token to rotate, without a marker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PatName(String);

impl PatName {
    /// Accepts names that do not end in one of our markers. An error completes "must be …".
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = text.trim();
        if name.is_empty() {
            return Err("the name of the personal access token to rotate".to_owned());
        }
        if html::encoded_length(name) > LONGEST_NAME {
            let plain = if name.is_ascii() { "" } else { "; the service may count a letter beyond ASCII as up to 9" };
            return Err(format!("a name of at most {LONGEST_NAME} characters{plain}"));
        }
        if html::decoded(name) != name {
            return Err(format!(
                "the name as the service's page shows it, such as {}",
                text::quoted(&html::decoded(name))
            ));
        }
        if !name.chars().all(text::is_harmless) {
            return Err("a name without control characters".to_owned());
        }
        let marked = [" [pending ", " [held ", " [superseded ", " [check "].iter().any(|marker| name.contains(marker));
        if marked && name.ends_with(']') {
            return Err(format!(
                "the plain name; {} ends in a marker that RotatePat adds to names",
                text::quoted(name)
            ));
        }
        Ok(Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The display name of a generation of this personal access token.
    pub fn of(&self, generation: &Generation) -> String {
        match generation {
            Generation::Committed => self.0.clone(),
            Generation::Pending(run) => format!("{} [pending {run}]", self.0),
            Generation::Held(run) => format!("{} [held {run}]", self.0),
            Generation::Superseded { by, ends } => format!("{} [superseded {by} ends {}]", self.0, ends.to_minute()),
        }
    }

    /// The display name of a canary that a run of `command: check` makes. It is no generation: it is never counted.
    pub fn canary(&self, run: &RunId) -> String {
        format!("{} [check {run}]", self.0)
    }

    /// The name that a canary has for a moment, with characters that a service may store as others.
    pub fn odd_canary(&self, run: &RunId) -> String {
        format!("{} [check {run} & 'ж]", self.0)
    }

    /// The run that made the canary of this name, if the display name is one. Whatever became of the odd characters, the run
    /// stands before them.
    pub fn canary_of(&self, display_name: &str) -> Option<RunId> {
        let marker = display_name.strip_prefix(&self.0)?.strip_prefix(" [check ")?.strip_suffix(']')?;
        let run = marker.split(' ').next()?;
        RunId::parse(run).filter(|parsed| parsed.to_string() == run)
    }

    /// Which generation of this personal access token a display name is; `None` for every other name. Names are
    /// compared exactly, and only what [`PatName::of`] writes is read as a marker.
    pub fn generation(&self, display_name: &str) -> Option<Generation> {
        let marker = display_name.strip_prefix(&self.0)?;
        if marker.is_empty() {
            return Some(Generation::Committed);
        }
        let inner = marker.strip_prefix(" [")?.strip_suffix(']')?;
        let (state, rest) = inner.split_once(' ')?;
        let generation = match state {
            "pending" => Generation::Pending(RunId::parse(rest)?),
            "held" => Generation::Held(RunId::parse(rest)?),
            "superseded" => {
                let (run, ends) = rest.split_once(" ends ")?;
                Generation::Superseded { by: RunId::parse(run)?, ends: Timestamp::parse_minute(ends)? }
            }
            _ => return None,
        };
        (self.of(&generation) == display_name).then_some(generation)
    }
}

/// Which generation of whichever personal access token a display name is, if it has a marker.
pub fn marked(display_name: &str) -> Option<(PatName, Generation)> {
    let name = PatName::parse(&display_name[..display_name.rfind(" [")?]).ok()?;
    let generation = name.generation(display_name)?;
    Some((name, generation))
}

impl fmt::Display for PatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::quoted(&self.0))
    }
}

/// What the display name says: where in its life a personal access token is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Generation {
    /// The current one.
    Committed,
    /// Created by a run that still works or was killed; the token may be in use.
    Pending(RunId),
    /// The job of that run did not succeed; the token may be in use.
    Held(RunId),
    /// Replaced by a run whose job succeeded; not needed after `ends`.
    Superseded {
        by: RunId,
        /// When the overlap ends.
        ends: Timestamp,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> PatName {
        PatName::parse("nuget-publish").unwrap()
    }

    #[test]
    fn each_generation_reads_back_what_it_writes() {
        let by = RunId::parse("4711.2-0a1b2c3d").unwrap();
        let ends = Timestamp::parse_minute("2026-11-25T03:00Z").unwrap();
        for (generation, written) in [
            (Generation::Committed, "nuget-publish"),
            (Generation::Pending(by.clone()), "nuget-publish [pending 4711.2-0a1b2c3d]"),
            (Generation::Held(by.clone()), "nuget-publish [held 4711.2-0a1b2c3d]"),
            (Generation::Superseded { by, ends }, "nuget-publish [superseded 4711.2-0a1b2c3d ends 2026-11-25T03:00Z]"),
        ] {
            assert_eq!(name().of(&generation), written);
            let of_any = marked(written).map(|(name, generation)| (name.as_str().to_owned(), generation));
            let of_ours = ("nuget-publish".to_owned(), generation.clone());
            assert_eq!(of_any, (generation != Generation::Committed).then_some(of_ours));
            assert_eq!(name().generation(written), Some(generation));
        }
    }

    #[test]
    fn a_canary_is_no_generation() {
        let run = RunId::parse("4711.2-0a1b2c3d").unwrap();
        let canary = name().canary(&run);
        assert_eq!(canary, "nuget-publish [check 4711.2-0a1b2c3d]");
        assert_eq!(name().canary_of(&canary), Some(run));
        assert_eq!(name().generation(&canary), None);
        assert_eq!(marked(&canary), None);
        assert!(PatName::parse(&canary).is_err());
        for other in ["nuget-publish", "nuget-publish [check x]", "nuget [check 4711.2-0a1b2c3d]"] {
            assert_eq!(name().canary_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_names_length_counts_as_the_service_may_store_it() {
        for (character, length) in [("x", 1), ("&", 5), ("'", 5), ("\"", 6), ("<", 4), ("é", 6), ("к", 7), ("🔑", 9)]
        {
            let longest = character.repeat(LONGEST_NAME / length);
            assert!(PatName::parse(&longest).is_ok(), "{character}");
            assert!(PatName::parse(&format!("{longest}{character}")).is_err(), "{character}");
        }
        assert!(PatName::parse("R&amp;D").unwrap_err().contains("such as \"R&D\""));
        assert!(PatName::parse("R&D").is_ok());
    }

    #[test]
    fn only_exact_names_and_exact_markers_are_ours() {
        for foreign in [
            "",
            "nuget",
            "Nuget-publish",
            "nuget-publish ",
            "nuget-publish2",
            "nuget-publish [pending]",
            "nuget-publish [pending 4711]",
            "nuget-publish [pending 4711.1-0a1b2c3]",
            "nuget-publish [pending 4711.01-0a1b2c3d]",
            "nuget-publish [pending 4711.+1-0a1b2c3d]",
            "nuget-publish [pending x.1-0a1b2c3d]",
            "nuget-publish  [pending 4711.1-0a1b2c3d]",
            "nuget-publish [Held 4711.1-0a1b2c3d]",
            "nuget-publish [held 4711.1-0a1b2c3d] ",
            "nuget-publish [superseded 4711.1-0a1b2c3d ends 2026-11-25T03:00:00Z]",
            "nuget-publish [superseded 4711.1-0a1b2c3d]",
        ] {
            assert_eq!(name().generation(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn names_that_could_be_mistaken_for_ours_are_refused() {
        for wrong in [
            "",
            "  ",
            "a [pending 1.1-0a1b2c3d]",
            "a [held whatever]",
            "a [superseded x ends y]",
            "a [check x]",
            "line\nbreak",
            &"x".repeat(LONGEST_NAME + 1),
        ] {
            assert!(PatName::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(PatName::parse(&"x".repeat(LONGEST_NAME)).is_ok());
        assert!(PatName::parse("team [prod]").is_ok());
    }
}
