//! The system's browser. The address that it is given holds nothing but a port.

use std::future::pending;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::sleep;

/// How often to look whether the system's opener has ended.
const LOOK: Duration = Duration::from_millis(200);

/// What opens an address on this system.
pub(super) const OPENER: &str = if cfg!(target_os = "windows") {
    "rundll32"
} else if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

/// Starts the opener in its own process group: Ctrl-C ends the sign-in and not the browser.
pub(super) fn open(address: &str) -> io::Result<Child> {
    let mut command = Command::new(OPENER);
    if cfg!(target_os = "windows") {
        command.arg("url.dll,FileProtocolHandler");
    }
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    detach(&mut command);
    command.spawn()
}

/// Ends when the opener has failed, with how; it may run as long as the browser.
pub(super) async fn failure(mut opener: Child) -> String {
    loop {
        match opener.try_wait() {
            Ok(None) => sleep(LOOK).await,
            Ok(Some(status)) if status.success() => pending().await,
            Ok(Some(status)) => return format!("`{OPENER}` ended with {status}"),
            Err(error) => return format!("`{OPENER}`: {error}"),
        }
    }
}

#[cfg(unix)]
fn detach(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
}

#[cfg(windows)]
fn detach(command: &mut Command) {
    use std::os::windows::process::CommandExt as _;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}
