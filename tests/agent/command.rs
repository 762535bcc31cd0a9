//! The grammar of logging commands, ported from the agent: a line is a command here exactly when it is one there.

use super::ignored;
use std::collections::BTreeMap;

/// A parsed logging command. Area, event and property names compare without case, so they are kept in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub area: String,
    pub event: String,
    pub properties: BTreeMap<String, String>,
    pub data: String,
}

const PREFIX: &str = "##vso[";

/// The agent's order: these four, then the percent sign (agent: CommandStringConvertor.cs).
const ESCAPES: [(char, &str); 4] = [(';', "%3B"), ('\r', "%0D"), ('\n', "%0A"), (']', "%5D")];
const PERCENT: &str = "%AZP25";

impl Command {
    /// agent: Command.cs, `TryParse`. Text may stand before the prefix; the prefix itself is case-sensitive.
    pub fn parse(line: &str, decode_percents: bool) -> Option<Self> {
        let (info, data) = split(line)?;
        let (name, properties) = match info.find(' ') {
            None => (info, ""),
            Some(space) => (&info[..space], &info[space + 1..]),
        };
        let mut parts = name.split('.').filter(|part| !part.is_empty());
        let (Some(area), Some(event), None) = (parts.next(), parts.next(), parts.next()) else { return None };
        let properties = properties
            .split(';')
            .filter_map(pair)
            .map(|(key, value)| (key.to_lowercase(), unescape(value, decode_percents)))
            .collect();
        let data = unescape(data, decode_percents);
        Some(Self { area: area.to_lowercase(), event: event.to_lowercase(), properties, data })
    }

    /// `command.is("task.setvariable")`
    pub fn is(&self, name: &str) -> bool {
        name.split_once('.') == Some((self.area.as_str(), self.event.as_str()))
    }

    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    /// .NET's `Boolean.TryParse`: any case, blanks around it, anything else is false.
    pub fn flag(&self, name: &str) -> bool {
        self.property(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }
}

/// The part between the prefix and the first `]` after it, and what follows that `]`, both still escaped. Where ignored
/// characters stand inside the prefix, the part begins too early, as in the agent: it counts the prefix as six units.
pub fn split(line: &str) -> Option<(&str, &str)> {
    let prefix = find(line, PREFIX)?;
    let end = prefix + line[prefix..].find(']')?;
    let mut units = 0;
    let skipped = line[prefix..].chars().take_while(|c| {
        units += c.len_utf16();
        units <= PREFIX.len()
    });
    let start = prefix + skipped.map(char::len_utf8).sum::<usize>();
    Some((line.get(start..end)?, &line[end + 1..]))
}

/// .NET's `IndexOf(string)`, which asks the culture: characters without a weight are passed over.
pub fn find(line: &str, text: &str) -> Option<usize> {
    let is_here = |at: usize| {
        let mut weighty = line[at..].chars().filter(|c| !ignored::is_ignored(*c));
        text.chars().all(|wanted| weighty.next() == Some(wanted))
    };
    line.char_indices().find(|(at, c)| !ignored::is_ignored(*c) && is_here(*at)).map(|(at, _)| at)
}

/// .NET's `Split('=', 2, RemoveEmptyEntries)`: leading separators vanish, and so do those directly after the key.
fn pair(property: &str) -> Option<(&str, &str)> {
    let (key, value) = property.trim_start_matches('=').split_once('=')?;
    let value = value.trim_start_matches('=');
    (!value.is_empty()).then_some((key, value))
}

pub fn unescape(text: &str, decode_percents: bool) -> String {
    let text = ESCAPES.iter().fold(text.to_owned(), |text, (token, code)| text.replace(code, &token.to_string()));
    if decode_percents { text.replace(PERCENT, "%") } else { text }
}

pub fn escape(text: &str, encode_percents: bool) -> String {
    let text = if encode_percents { text.replace('%', PERCENT) } else { text.to_owned() };
    ESCAPES.iter().fold(text, |text, (token, code)| text.replace(*token, code))
}
