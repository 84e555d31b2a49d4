//! Time as tests need it: how long something took, and a condition that comes true.

use std::time::{Duration, Instant};

use super::DEADLINE;

/// Runs from its creation.
pub(crate) struct Clock(Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "tests measure real time")]
    pub(crate) fn start() -> Clock {
        Clock(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// What is left of the deadline of one step.
    pub(crate) fn left(&self) -> Duration {
        DEADLINE.saturating_sub(self.elapsed())
    }
}

/// Asks until there is an answer; for what can only be asked (counters, files).
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let clock = Clock::start();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(!clock.left().is_zero(), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
