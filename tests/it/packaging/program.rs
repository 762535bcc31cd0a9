//! The program by itself, without a launcher or an agent.

use std::process::Command;

#[test]
fn it_names_its_version_its_commit_and_its_target() {
    let output = Command::new(env!("CARGO_BIN_EXE_rotate-pat")).arg("--version").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let rest = said.strip_prefix(concat!("rotate-pat ", env!("CARGO_PKG_VERSION"), " (commit ")).expect(&said);
    let (commit, target) = rest.trim_end().trim_end_matches(')').split_once(", target ").expect(&said);
    assert!(["none", "unknown"].contains(&commit) || commit.len() == 40, "{said}");
    let system = std::env::consts::OS.replace("macos", "darwin");
    assert!(target.starts_with(std::env::consts::ARCH) && target.contains(&system), "{said}");
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn mistakes_go_to_standard_error_with_exit_code_2() {
    for arguments in [&[][..], &["rotate"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_rotate-pat")).args(arguments).output().unwrap();
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}: {output:?}");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
