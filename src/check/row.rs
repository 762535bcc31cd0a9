//! A row of the check: what was looked at, how it is, and the one thing to do where it is not well.

use serde_json::{Value, json};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Ok,
    NotOk,
    /// Nothing that the check may do tells, or it depends on a row that is not ok.
    Unknown,
}

impl Outcome {
    pub fn words(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotOk => "not ok",
            Self::Unknown => "cannot be known",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Row {
    /// The same in every run, for programs.
    pub key: &'static str,
    pub name: String,
    pub outcome: Outcome,
    /// What documents, or other people's code, let one expect; only of what is measured.
    pub expected: Option<String>,
    pub seen: String,
    pub remedy: Option<String>,
    /// What was measured, without names of people and without secrets.
    pub fact: Value,
}

impl Row {
    fn new(key: &'static str, name: impl Into<String>, outcome: Outcome, seen: impl Into<String>) -> Self {
        let (name, seen) = (name.into(), seen.into());
        Self { key, name, outcome, expected: None, seen, remedy: None, fact: Value::Null }
    }

    pub fn ok(key: &'static str, name: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::new(key, name, Outcome::Ok, seen)
    }

    pub fn not_ok(key: &'static str, name: impl Into<String>, seen: impl Into<String>, remedy: String) -> Self {
        Self { remedy: Some(remedy), ..Self::new(key, name, Outcome::NotOk, seen) }
    }

    pub fn unknown(key: &'static str, name: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::new(key, name, Outcome::Unknown, seen)
    }

    /// One that was not tried, as another row is not ok.
    pub fn depends(key: &'static str, name: impl Into<String>, on: &str) -> Self {
        Self::unknown(key, name, format!("not tried: it depends on {on}"))
    }

    #[must_use]
    pub fn with(self, fact: impl Into<Value>) -> Self {
        Self { fact: fact.into(), ..self }
    }

    #[must_use]
    pub fn expecting(self, expected: &str) -> Self {
        Self { expected: Some(expected.to_owned()), ..self }
    }

    /// What was seen, beside what was expected where that says more.
    pub fn sentence(&self) -> String {
        match &self.expected {
            Some(expected) if !self.seen.contains(expected.as_str()) => format!("{} (expected: {expected})", self.seen),
            _ => self.seen.clone(),
        }
    }

    /// As a program reads it.
    pub fn to_json(&self) -> Value {
        json!({"row": self.key, "outcome": self.outcome.words(), "expected": self.expected, "fact": self.fact})
    }
}

/// The rows as lines of the log; what to do stands below the row that needs it.
pub fn table(rows: &[Row]) -> String {
    let widest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
    let mut lines = String::new();
    for row in rows {
        let blank = " ".repeat(widest - row.name.chars().count());
        lines.push_str(&format!("{:<15}  {}{blank}  {}\n", row.outcome.words(), row.name, row.sentence()));
        if let Some(remedy) = &row.remedy {
            lines.push_str(&format!("{:<15}  Do: {remedy}\n", ""));
        }
    }
    lines
}

/// How many rows are well, in a sentence.
pub fn sentence(rows: &[Row]) -> String {
    let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
    let mut sentence = format!("{} of {} rows are ok", count(Outcome::Ok), rows.len());
    for outcome in [Outcome::NotOk, Outcome::Unknown] {
        if count(outcome) > 0 {
            sentence.push_str(&format!(", {} {}", count(outcome), outcome.words()));
        }
    }
    sentence
}

/// The names of the rows that are not ok.
pub fn faults(rows: &[Row]) -> Vec<&str> {
    rows.iter().filter(|row| row.outcome == Outcome::NotOk).map(|row| row.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_below_its_row() {
        let rows = [
            Row::ok("signIn", "sign-in", "as rotator"),
            Row::not_ok("list", "list of tokens", "refused", "Add the user.".to_owned()),
            Row::depends("plan", "plan", "\"list of tokens\""),
        ];
        let lines = "ok               sign-in         as rotator\n\
                     not ok           list of tokens  refused\n                 Do: Add the user.\n\
                     cannot be known  plan            not tried: it depends on \"list of tokens\"\n";
        assert_eq!(table(&rows), lines);
        assert_eq!(sentence(&rows), "1 of 3 rows are ok, 1 not ok, 1 cannot be known");
        assert_eq!(faults(&rows), ["list of tokens"]);
    }

    #[test]
    fn the_file_has_measured_facts_and_not_what_was_seen_of_people() {
        let row = Row::ok("signIn", "sign-in", "as alice@contoso.com").with(3).expecting("a few");
        assert_eq!(row.to_json(), json!({"row": "signIn", "outcome": "ok", "expected": "a few", "fact": 3}));
    }
}
