//! A crash at a moment when the program holds tokens: no picture of its memory is left, and no panic repeats what it met.

use std::process::Command;

/// What a panic must not repeat.
const TOKEN: &str = "hunter2hunter2hunter2";

#[test]
#[ignore = "the process that the test below starts"]
fn panics_with_a_token_in_its_words() {
    rotate_pat::agent::crash::leave_nothing(|| Box::new(std::io::stderr()));
    panic!("an invariant is broken: {TOKEN}");
}

#[test]
fn a_panic_says_its_place_and_not_its_words() {
    let name = concat!(module_path!(), "::panics_with_a_token_in_its_words");
    let name = name.split_once("::").expect("a module of this crate").1;
    let run = Command::new(std::env::current_exe().unwrap()).args(["--ignored", "--exact", name]).output().unwrap();
    let said = [run.stdout, run.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(!run.status.success() && !said.contains(TOKEN), "{said}");
    let place = concat!("internal error in RotatePat at ", file!(), ":");
    assert_eq!(said.matches(place).count(), 1, "{said}");
}

#[cfg(target_os = "linux")]
mod with_the_real_program {
    use std::fs;
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};

    use super::TOKEN;

    /// Nobody, in every system.
    const NOBODY: u32 = 65534;

    /// The program, sent off with a token to a service that never answers.
    struct Waiting {
        program: Child,
        folder: PathBuf,
    }

    impl Waiting {
        fn new(what: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("rotate-pat-{what}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
            let copy = folder.join("program");
            agent::defaults::copy_with_mode(std::path::Path::new(env!("CARGO_BIN_EXE_rotate-pat")), &copy, "755");
            let service = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut command = Command::new("bash");
            command.args(["-c", "ulimit -c unlimited && exec ./program task"]).current_dir(&folder);
            command.env_clear().env("INPUT_ACCESSTOKEN", TOKEN).env("INPUT_PATNAME", "nuget-publish");
            let address = format!("http://{}/contoso/", service.local_addr().unwrap());
            command.env("ENDPOINT_URL_SYSTEMVSSCONNECTION", address);
            command.env("VSTS_PUBLIC_VARIABLES", "[]").env("VSTS_SECRET_VARIABLES", "[]");
            command.envs([("SYSTEM_TEAMPROJECTID", "p"), ("SYSTEM_DEFINITIONID", "7"), ("BUILD_BUILDID", "101")]);
            command.env("SYSTEM_JOBATTEMPT", "1").stdout(Stdio::null());
            if fs::metadata("/proc/self").unwrap().uid() == 0 {
                command.uid(NOBODY);
            }
            let program = command.spawn().unwrap();
            let mut request = [0; 16];
            service.accept().unwrap().0.read_exact(&mut request).unwrap();
            Self { program, folder }
        }

        fn proc(&self, file: &str) -> PathBuf {
            PathBuf::from(format!("/proc/{}/{file}", self.program.id()))
        }
    }

    impl Drop for Waiting {
        fn drop(&mut self) {
            let _ended = self.program.kill().and_then(|()| self.program.wait());
            let _gone = fs::remove_dir_all(&self.folder);
        }
    }

    #[test]
    fn no_core_dump_is_made_of_it() {
        let mut waiting = Waiting::new("core");
        let id = waiting.program.id().to_string();
        assert!(Command::new("kill").args(["-ABRT", &id]).status().unwrap().success());
        let ended = waiting.program.wait().unwrap();
        assert!(!std::os::unix::process::ExitStatusExt::core_dumped(&ended), "{ended}");
        let files: Vec<_> = fs::read_dir(&waiting.folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, ["program"]);
    }

    #[test]
    fn no_other_process_of_its_user_looks_into_its_memory_or_its_environment() {
        let waiting = Waiting::new("memory");
        let limits = fs::read_to_string(waiting.proc("limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
        for file in ["mem", "environ", "maps"] {
            assert_eq!(fs::metadata(waiting.proc(file)).unwrap().uid(), 0, "{file}: it is the user's own");
        }
    }
}
