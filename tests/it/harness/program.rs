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
fn it_says_who_starts_it_when_started_in_another_way() {
    for arguments in [&[][..], &["rotate"], &["-h"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_rotate-pat")).args(arguments).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("is started by the pipeline task RotatePat"));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
