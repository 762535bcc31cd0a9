//! YAML as a tree in which each node knows its line and column. Only what a list of tokens needs: aliases, tags and second
//! documents are faults, so that nothing unfolds and nothing is overlooked.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

/// Deeper than any list of tokens.
const DEEPEST: usize = 16;

/// Where something stands in the file, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) column: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing, or one of YAML's words for nothing.
    Nothing,
    /// As written: `30` and `true` are texts too.
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; a key may occur twice.
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) at: At,
    pub(super) name: String,
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) at: At,
    pub(super) what: String,
}

/// Reads the one document of a text.
pub(super) fn parse(text: &str) -> Result<Node, Wrong> {
    let mut events = Events { parser: Parser::new_from_str(text) };
    loop {
        let (event, span) = events.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd => return Ok(Node { at: At { line: 1, column: 1 }, value: Value::Nothing }),
            event => {
                let root = events.node(event, span, 0)?;
                loop {
                    match events.next()? {
                        (Event::StreamEnd, _) => return Ok(root),
                        (Event::DocumentStart(_), span) => return Err(wrong(span.start, "a second document begins")),
                        _ => {}
                    }
                }
            }
        }
    }
}

struct Events<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Wrong> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(wrong(*error.marker(), error.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Wrong> {
        let start = span.start;
        if depth > DEEPEST {
            return Err(wrong(start, "this is nested too deep"));
        }
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => (*anchor, tag),
            _ => return Err(wrong(start, "aliases are not supported: write the value out")),
        };
        if anchor != 0 {
            return Err(wrong(start, "anchors are not supported: write each value out"));
        }
        if tag.is_some() {
            return Err(wrong(start, "tags are not supported"));
        }
        let value = match event {
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::List(items),
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut entries = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::MappingEnd {
                        break Value::Map(entries);
                    }
                    let key = self.node(event, span, depth + 1)?;
                    let Value::Text(name) = key.value else { return Err(wrong(span.start, "a key must be a word")) };
                    let (event, span) = self.next()?;
                    entries.push((Key { at: key.at, name }, self.node(event, span, depth + 1)?));
                }
            }
            Event::Scalar(text, style, ..) => {
                let is_nothing =
                    style == ScalarStyle::Plain && (["", "~"].contains(&&*text) || text.eq_ignore_ascii_case("null"));
                if is_nothing { Value::Nothing } else { Value::Text(text.into_owned()) }
            }
            _ => Value::Nothing,
        };
        Ok(Node { at: at(start), value })
    }
}

fn at(mark: Marker) -> At {
    At { line: mark.line(), column: mark.col() + 1 }
}

fn wrong(mark: Marker, what: &str) -> Wrong {
    Wrong { at: at(mark), what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_knows_where_it_stands() {
        let root = parse("# words\ntokens:\n- patName: a\n  validForDays: 30\n  nothing:\n").unwrap();
        let Value::Map(entries) = root.value else { panic!("{root:?}") };
        let Value::List(tokens) = &entries[0].1.value else { panic!("{entries:?}") };
        let Value::Map(token) = &tokens[0].value else { panic!("{tokens:?}") };
        let seen: Vec<_> =
            token.iter().map(|(key, node)| (key.name.as_str(), key.at.line, key.at.column, &node.value)).collect();
        assert!(matches!(seen[0], ("patName", 3, 3, Value::Text(_))), "{seen:?}");
        assert!(matches!(seen[1], ("validForDays", 4, 3, Value::Text(days)) if days == "30"), "{seen:?}");
        assert!(matches!(seen[2], ("nothing", 5, 3, Value::Nothing)), "{seen:?}");
    }

    #[test]
    fn what_would_unfold_or_hide_something_is_a_fault_where_it_stands() {
        let deep = format!("a: {}", "[".repeat(50));
        for (text, line, what) in [
            ("a: &x 1\nb: *x\n", 1, "anchors"),
            ("a: *x\n", 1, "anchor"),
            ("a: !!python/object 1\n", 1, "tags"),
            ("a: 1\n---\nb: 2\n", 2, "second document"),
            ("a:\n\t- b\n", 2, ""),
            ("a: [1, 2\nb: 3\n", 2, ""),
            ("? [a]\n: 1\n", 1, "a key must be a word"),
            (deep.as_str(), 1, "too deep"),
        ] {
            let wrong = parse(text).expect_err(text);
            assert_eq!(wrong.at.line, line, "{text}: {wrong:?}");
            assert!(wrong.what.contains(what), "{text}: {wrong:?}");
        }
    }
}
