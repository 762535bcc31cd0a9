//! Text from outside, made fit for one line of a log: names, server messages and scopes are other people's words.

/// Longest piece of foreign text shown; the rest is counted, not printed.
const LONGEST: usize = 300;

/// One line without control or direction-changing characters, cut where it is too long.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars().take(LONGEST) {
        line.push(visible(character));
    }
    let rest = text.chars().skip(LONGEST).count();
    if rest > 0 {
        line.push_str(&format!("… ({rest} more characters)"));
    }
    line
}

/// A name in double quotes, as every message shows it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", one_line(name))
}

/// The character, or U+FFFD in its place where a reader would not see it.
pub(crate) fn visible(character: char) -> char {
    if is_harmless(character) && !is_default_ignorable(character) { character } else { '\u{fffd}' }
}

pub(crate) fn is_harmless(character: char) -> bool {
    let turns_direction =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let ends_line = matches!(character, '\u{2028}' | '\u{2029}');
    !character.is_control() && !turns_direction && !ends_line && character != '\u{feff}'
}

/// Unicode's `Default_Ignorable_Code_Point`: shown as nothing, so that a text reads as another one.
fn is_default_ignorable(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_one_short_line() {
        let shown = quoted(&format!("a\r\nb\u{1b}[31m\u{202e}{}", "x".repeat(100_000)));
        assert!(!shown.chars().any(|c| c.is_control() || c == '\u{202e}'));
        assert!(shown.chars().count() < 350, "{}", shown.len());
        assert!(shown.contains("more characters"));
    }

    #[test]
    fn characters_that_show_as_nothing_are_replaced() {
        assert_eq!(quoted("p\u{ad}a\u{200b}t\u{fe0f}\u{e0041}"), "\"p\u{fffd}a\u{fffd}t\u{fffd}\u{fffd}\"");
    }

    #[test]
    fn an_ordinary_name_is_untouched() {
        assert_eq!(quoted("nuget-publish [held 7.1-0a1b2c3d]"), "\"nuget-publish [held 7.1-0a1b2c3d]\"");
        assert_eq!(quoted("Größe 日本"), "\"Größe 日本\"");
    }
}
