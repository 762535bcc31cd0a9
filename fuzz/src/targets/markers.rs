//! Names of tokens and the markers in them: what is read is exactly what is written.

use rotate_pat::model::marker::PatName;
use rotate_pat::model::run_id::RunId;
use rotate_pat::model::scopes::Scopes;
use rotate_pat::model::text;

pub(crate) fn fuzz(data: &[u8]) {
    let given = String::from_utf8_lossy(data);
    let (name, shown) = given.split_once('\n').unwrap_or((&given, &given));
    if let Some(run) = RunId::parse(shown) {
        assert_eq!(RunId::parse(&run.to_string()), Some(run.clone()));
        assert!(run.is_own(&run));
    }
    if let Ok(scopes) = Scopes::parse(shown) {
        assert_eq!(Scopes::parse(scopes.as_str()).as_ref(), Ok(&scopes));
    }
    let line = text::one_line(shown);
    assert!(!line.chars().any(char::is_control) && line.chars().count() < 400, "{line:?}");
    let Ok(name) = PatName::parse(name) else { return };
    for display_name in [shown.to_owned(), format!("{}{shown}", name.as_str())] {
        let Some(generation) = name.generation(&display_name) else { continue };
        assert_eq!(name.of(&generation), display_name);
        assert!(display_name == name.as_str() || PatName::parse(&display_name).is_err(), "{display_name:?}");
    }
}
