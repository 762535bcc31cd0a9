//! A personal access token as the service lists it, and what its display name says about it. The state of a rotation
//! lives in display names, so the grammar of the markers is written here, once, in both directions.

use std::fmt;

use crate::text;
use crate::timestamp::Timestamp;

/// Longest name accepted, so that the longest marker still fits into the 256 characters assumed here.
/// Inferred: the service's own limit is not documented; it refuses with `invalidDisplayName`.
const LONGEST_NAME: usize = 190;

/// The name of the personal access token to rotate, as its committed generation bears it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PatName(String);

impl PatName {
    /// Takes a name that no marker of ours could be mistaken for.
    ///
    /// # Errors
    /// A sentence on what is expected instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = text.trim();
        if name.is_empty() {
            return Err("the name of the personal access token to rotate".to_owned());
        }
        if name.chars().count() > LONGEST_NAME {
            return Err(format!("a name of at most {LONGEST_NAME} characters"));
        }
        if !name.chars().all(text::is_harmless) {
            return Err("a name without control characters".to_owned());
        }
        let marked = [" [pending ", " [held ", " [superseded "].iter().any(|marker| name.contains(marker));
        if marked && name.ends_with(']') {
            return Err(format!(
                "the plain name: {} ends in a marker that RotatePat itself writes into names",
                text::quoted(name)
            ));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name itself.
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

/// Which generation of whichever personal access token a display name is, if it bears a marker.
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
    /// Created by a run that is at work or was killed; somebody may hold it.
    Pending(RunId),
    /// That run's job ended without success; somebody may hold it.
    Held(RunId),
    /// Replaced by a run whose job succeeded: nobody needs it after the time named.
    Superseded {
        /// The run that replaced it.
        by: RunId,
        /// When the overlap ends.
        ends: Timestamp,
    },
}

/// `K`: the run of one task in one job, `RUN.ATTEMPT-HHHHHHHH`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunId {
    /// The build's id, or `r` and the release's.
    pub run: String,
    /// The job's attempt, from 1.
    pub attempt: u32,
    /// Eight hexadecimal digits that tell the jobs, matrix legs and pipelines of one run apart.
    pub hash: String,
}

impl RunId {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (run, rest) = text.split_once('.')?;
        let (attempt, hash) = rest.split_once('-')?;
        let digits = run.strip_prefix('r').unwrap_or(run);
        let is_run = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_hash = hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_run || !is_hash || !attempt.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self { run: run.to_owned(), attempt: attempt.parse().ok()?, hash: hash.to_owned() })
    }

    /// Whether `other` is this same task of this same job, now or at an earlier attempt.
    pub fn is_own(&self, other: &Self) -> bool {
        self.run == other.run && self.hash == other.hash && other.attempt <= self.attempt
    }

    /// The build's id; a release has none.
    pub fn build(&self) -> Option<u64> {
        self.run.parse().ok()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}-{}", self.run, self.attempt, self.hash)
    }
}

/// The id that the service gives a personal access token; it stays through renames.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AuthorizationId(String);

impl AuthorizationId {
    /// Takes a GUID in its usual form.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let parts: Vec<&str> = text.split('-').collect();
        let lengths = [8, 4, 4, 4, 12];
        let fits = parts.len() == lengths.len()
            && parts
                .iter()
                .zip(lengths)
                .all(|(part, length)| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
        fits.then_some(Self(text))
    }

    /// The id as the API wants it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AuthorizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a personal access token may do: `vso.…` scopes separated by blanks, or `app_token` for everything. The
/// vocabulary is the server's and open; only the shape is checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scopes(String);

impl Scopes {
    /// Takes scopes from a person, separated by blanks, commas or line ends.
    ///
    /// # Errors
    /// A sentence on what is expected instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scopes: Vec<&str> = text.split([' ', ',', '\n', '\r', '\t']).filter(|scope| !scope.is_empty()).collect();
        let is_scope = |scope: &str| {
            let name = scope.strip_prefix("vso.").unwrap_or(if scope == "app_token" { scope } else { "" });
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        match scopes.iter().find(|scope| !is_scope(scope)) {
            Some(wrong) => Err(format!(
                "scopes such as `vso.packaging_write`, separated by blanks, or `app_token`: {} is none",
                text::quoted(wrong)
            )),
            None if scopes.is_empty() => Err("at least one scope, such as `vso.packaging_write`".to_owned()),
            None => Ok(Self(scopes.join(" "))),
        }
    }

    /// Takes them as the server lists them, whatever they are.
    pub fn as_listed(text: String) -> Self {
        Self(text)
    }

    /// The scopes as the API wants them.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::one_line(&self.0))
    }
}

/// An active personal access token of the signed-in user, as listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pat {
    /// The service's id of it.
    pub id: AuthorizationId,
    /// Its name, marker included.
    pub display_name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was created.
    pub valid_from: Timestamp,
    /// When it expires.
    pub valid_to: Timestamp,
    /// Whether it spans all of the user's organizations. Such ones end on 2026-12-01 and are never touched.
    pub all_organizations: bool,
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
    fn an_authorization_id_is_a_guid_in_its_usual_form() {
        let id = AuthorizationId::parse(" 01234567-89ab-CDEF-0123-456789abcdef\n").unwrap();
        assert_eq!(id.as_str(), "01234567-89ab-cdef-0123-456789abcdef");
        for wrong in [
            "",
            "0123456789abcdef0123456789abcdef",
            "01234567-89ab-cdef-0123",
            "01234567-89ab-cdef-0123-456789abcdef-0",
            "01234567-89ab-cdef-0123-456789abcde",
            "0123456-789ab-cdef-0123-456789abcdef",
            "g1234567-89ab-cdef-0123-456789abcdef",
        ] {
            assert_eq!(AuthorizationId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn own_is_the_same_task_of_the_same_run_and_no_later_attempt() {
        let own = RunId::parse("7.2-0a1b2c3d").unwrap();
        for (other, is_own) in [
            ("7.1-0a1b2c3d", true),
            ("7.2-0a1b2c3d", true),
            ("7.3-0a1b2c3d", false),
            ("7.1-ffffffff", false),
            ("8.1-0a1b2c3d", false),
            ("r7.1-0a1b2c3d", false),
        ] {
            assert_eq!(own.is_own(&RunId::parse(other).unwrap()), is_own, "{other}");
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
            "line\nbreak",
            &"x".repeat(LONGEST_NAME + 1),
        ] {
            assert!(PatName::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(PatName::parse(&"x".repeat(LONGEST_NAME)).is_ok());
        assert!(PatName::parse("team [prod]").is_ok());
    }

    #[test]
    fn scopes_are_an_open_vocabulary_of_a_checked_shape() {
        assert_eq!(Scopes::parse(" vso.code,vso.packaging_write\n").unwrap().as_str(), "vso.code vso.packaging_write");
        assert_eq!(Scopes::parse("app_token").unwrap().as_str(), "app_token");
        for wrong in ["", " , ", "code", "vso.", "vso.code\u{7}", "vso.a;b"] {
            assert!(Scopes::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
