//! Names may come back HTML-encoded: the service's own pages decode them. They are decoded once, when they are read.

/// The text with its character references replaced, once. Everything else stays.
pub fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let (character, length) = reference(&rest[at..]).unwrap_or(('&', 1));
        out.push(character);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

/// The character reference at the start of a text, and its length.
fn reference(text: &str) -> Option<(char, usize)> {
    let end = text.find(';').filter(|end| *end <= "&#1114111".len())?;
    let name = &text[1..end];
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let digits = name.strip_prefix('#')?;
            let (digits, radix) = digits.strip_prefix(['x', 'X']).map_or((digits, 10), |digits| (digits, 16));
            let is_number = digits.chars().all(|digit| digit.is_digit(radix));
            char::from_u32(u32::from_str_radix(digits, radix).ok().filter(|_| is_number)?)?
        }
    };
    Some((character, end + 1))
}

/// How long the encoded form is at most, in characters.
pub fn encoded_length(text: &str) -> usize {
    let length = |c: char| match c {
        '&' | '\'' => "&amp;".len(),
        '<' | '>' => "&lt;".len(),
        '"' => "&quot;".len(),
        c if c.is_ascii() => 1,
        c => format!("&#{};", u32::from(c)).len(),
    };
    text.chars().map(length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_once() {
        for (encoded, expected) in [
            ("R&amp;D &lt;feed&gt; &quot;a&quot; &#39;b&#39;", "R&D <feed> \"a\" 'b'"),
            ("&#1082;&#x43B;&#X44E;&#1095; &#128273;", "ключ 🔑"),
            ("&amp;lt;", "&lt;"),
            ("R&D; a&b", "R&D; a&b"),
            ("&unknown; &#; &#x; &#+39; &#xD800; &#99999999;", "&unknown; &#; &#x; &#+39; &#xD800; &#99999999;"),
            ("&", "&"),
            ("ключ & 'ключ'", "ключ & 'ключ'"),
        ] {
            assert_eq!(decoded(encoded), expected, "{encoded}");
        }
    }

    #[test]
    fn the_encoded_length_is_that_of_what_the_service_may_store() {
        for (text, encoded) in
            [("feed", "feed"), ("R&D's", "R&amp;D&#39;s"), ("<\"é🔑>", "&lt;&quot;&#233;&#128273;&gt;")]
        {
            assert_eq!(encoded_length(text), encoded.len(), "{text}");
        }
    }
}
