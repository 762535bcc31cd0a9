//! One reading of a list for all who wait for it. Rotations side by side list the same tokens, and each needs a list that was
//! begun after it asked: whoever asks while one is being read waits for the next.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::{Mutex, OnceCell};
use tokio::task::yield_now;

use crate::azure::pats::Listing;
use crate::model::api_error::CallError;

/// The readings of one organization's list, as one user.
#[derive(Default)]
pub struct Passes {
    /// Held while the list is being read.
    turn: Mutex<()>,
    /// The one that has not begun.
    next: RefCell<Rc<Reading>>,
}

type Reading = OnceCell<Result<Rc<Pass>, CallError>>;

/// The list as it was read once, and how many pages it had.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) listing: Listing,
    pub(super) pages: usize,
}

impl Passes {
    /// A pass that begins after this call. Whoever of those who wait comes first reads it, with its own `read`.
    pub(super) async fn read(
        &self,
        read: impl AsyncFnOnce() -> Result<Pass, CallError>,
    ) -> Result<Rc<Pass>, CallError> {
        let reading = Rc::clone(&self.next.borrow());
        let begin = async || {
            let _turn = self.turn.lock().await;
            // Who asks at this same moment joins.
            yield_now().await;
            // From here on, whoever asks needs another one. The one who began this may have been cancelled, and then this
            // is no longer the next one.
            if Rc::ptr_eq(&reading, &self.next.borrow()) {
                self.next.take();
            }
            read().await.map(Rc::new)
        };
        reading.get_or_init(begin).await.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    fn pass(number: usize) -> Pass {
        Pass { listing: Listing { pats: Vec::new(), date: None }, pages: number }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn all_who_wait_share_a_reading_that_began_after_they_asked() {
        let (passes, begun, gate) = (Passes::default(), Cell::new(0), Notify::new());
        let read = async || {
            let before = begun.get();
            let pass = passes.read(async || {
                begun.set(begun.get() + 1);
                let number = begun.get();
                gate.notified().await;
                Ok(pass(number))
            });
            let number = pass.await.unwrap().pages;
            assert!(number > before, "reading {number} had begun before it was asked for");
        };
        let later = async {
            while begun.get() == 0 {
                yield_now().await;
            }
            let asked = join_all((0..8).map(|_| read()));
            let opened = async {
                for _ in 0..2 {
                    yield_now().await;
                    gate.notify_one();
                    yield_now().await;
                }
            };
            tokio::join!(asked, opened);
        };
        tokio::join!(join_all((0..8).map(|_| read())), later);
        assert_eq!(begun.get(), 2);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn when_the_reader_is_cancelled_another_one_reads() {
        let passes = Passes::default();
        let never = passes.read(async || std::future::pending().await);
        let waits = passes.read(async || Ok(pass(1)));
        let cancelled = async {
            tokio::select! {
                _ = never => {}
                () = async { yield_now().await; yield_now().await } => {}
            }
        };
        let (pass, ()) = tokio::join!(waits, cancelled);
        assert_eq!(pass.unwrap().pages, 1);
    }
}
