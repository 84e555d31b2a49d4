//! A token bucket in one atomic, without clock and lock.
//!
//! Tokens are minted one by one, evenly over each period: by time `t` it is `minted(t) = t * requests / per`, rounded
//! down once, so no fraction is ever lost. The state is how many of all tokens ever minted are gone: taken, or spilt
//! over the brim. `minted(t) + burst - gone` are left.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Bucket {
    requests: u32,
    per: Duration,
    burst: u32,
    /// Tokens taken or spilt. Nothing else is published with it, so `Relaxed` is enough.
    gone: AtomicU64,
}

impl Bucket {
    /// A full bucket of `burst` tokens that gets `requests` (at least 1) more each `per` (not zero).
    pub(super) fn new(requests: u32, per: Duration, burst: u32) -> Bucket {
        Bucket { requests, per, burst, gone: AtomicU64::new(0) }
    }

    /// Takes one token at time `now` since the bucket was made. Without one: how long until there is one, if nobody
    /// else takes it. Times may come out of order, as workers' clocks do.
    pub(super) fn take(&self, now: Duration) -> Result<(), Duration> {
        let minted = self.minted(now);
        let brim = minted.saturating_add(u64::from(self.burst));
        let take = |gone: u64| Some(gone.max(minted) + 1).filter(|gone| *gone <= brim);
        match self.gone.fetch_update(Relaxed, Relaxed, take) {
            Ok(_) => Ok(()),
            Err(gone) => {
                let minted = (gone + 1).saturating_sub(u64::from(self.burst));
                Err(self.minted_at(minted).saturating_sub(now))
            }
        }
    }

    /// Tokens minted until `now`.
    fn minted(&self, now: Duration) -> u64 {
        let tokens = now.as_nanos().saturating_mul(u128::from(self.requests)) / self.per.as_nanos();
        // Below the top, so that `take` cannot overflow: at the fastest rate allowed that takes six years.
        u64::try_from(tokens).unwrap_or(u64::MAX).min(u64::MAX / 2)
    }

    /// When token number `token` is minted.
    fn minted_at(&self, token: u64) -> Duration {
        let nanos = u128::from(token).saturating_mul(self.per.as_nanos()).div_ceil(u128::from(self.requests));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
