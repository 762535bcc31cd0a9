//! Cancellation: SIGINT and SIGTERM from the agent through the launcher, and the end of the launcher.
//!
//! The agent sends SIGINT, SIGTERM 7.5 s later and kills 2.5 s after that, only `node` and not this process. So a
//! cancelled run ends by itself before that, and a run without its launcher changes nothing more.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What is left after SIGINT: a little less than the ladder's ten seconds.
const AFTER_INTERRUPT: Duration = Duration::from_millis(8500);
/// What is left after SIGTERM.
const AFTER_TERMINATE: Duration = Duration::from_millis(1500);

/// Whether the run was cancelled, and until when it must stop. Clones share the state.
#[derive(Clone, Debug)]
pub struct Cancel(watch::Receiver<Option<Instant>>);

/// Cancels the run.
#[derive(Debug)]
pub struct Canceller(watch::Sender<Option<Instant>>);

impl Cancel {
    pub fn pair() -> (Canceller, Self) {
        let (sender, receiver) = watch::channel(None);
        (Canceller(sender), Self(receiver))
    }

    pub fn is_requested(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Resolves when the run is cancelled.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(Option::is_some).await.is_err() {
            pending::<()>().await;
        }
    }

    /// Resolves when the time left after the cancellation is over.
    pub async fn out_of_time(&self) {
        let mut receiver = self.0.clone();
        loop {
            let deadline = *receiver.borrow_and_update();
            match deadline {
                Some(deadline) => {
                    tokio::select! {
                        () = sleep_until(deadline) => return,
                        changed = receiver.changed() => if changed.is_err() {
                            return sleep_until(deadline).await;
                        },
                    }
                }
                None => {
                    if receiver.changed().await.is_err() {
                        pending::<()>().await;
                    }
                }
            }
        }
    }
}

impl Canceller {
    /// Requests a stop within this time. A shorter time from an earlier request still counts.
    pub fn stop_within(&self, time: Duration) {
        let deadline = Instant::now() + time;
        self.0.send_modify(|known| *known = Some(known.map_or(deadline, |known| known.min(deadline))));
    }

    /// Listens to the signals of the agent for as long as the runtime lives.
    #[cfg(unix)]
    pub fn listen(self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => self.stop_within(AFTER_INTERRUPT),
                    _ = terminate.recv() => self.stop_within(AFTER_TERMINATE),
                }
            }
        });
        Ok(())
    }

    /// Listens to the console events of the agent for as long as the runtime lives.
    #[cfg(windows)]
    pub fn listen(self) -> std::io::Result<()> {
        use tokio::signal::windows::{ctrl_break, ctrl_c};
        let (mut interrupt, mut terminate) = (ctrl_c()?, ctrl_break()?);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => self.stop_within(AFTER_INTERRUPT),
                    _ = terminate.recv() => self.stop_within(AFTER_TERMINATE),
                }
            }
        });
        Ok(())
    }
}

#[cfg(unix)]
pub fn launcher_watch() -> impl Fn() -> bool {
    let launcher = std::os::unix::process::parent_id();
    move || std::os::unix::process::parent_id() == launcher
}

/// On Windows the agent ends the whole tree of processes, so there is nothing to watch.
#[cfg(windows)]
pub fn launcher_watch() -> impl Fn() -> bool {
    || true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_signal_shortens_the_time_and_never_lengthens_it() {
        let (canceller, cancel) = Cancel::pair();
        assert!(!cancel.is_requested());
        canceller.stop_within(Duration::from_millis(30));
        canceller.stop_within(Duration::from_secs(60));
        assert!(cancel.is_requested());
        cancel.requested().await;
        tokio::time::timeout(Duration::from_secs(5), cancel.out_of_time()).await.unwrap();
    }
}
