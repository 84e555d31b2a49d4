//! Flow-control windows (RFC 9113 section 6.9): signed, because SETTINGS may shrink a window below what is already under
//! way (section 6.9.2), and at most 2^31-1.

/// Window of a stream and of the connection until someone says otherwise, in bytes (RFC 9113 section 6.9.2).
pub(crate) const INITIAL_WINDOW: u32 = 65_535;

/// Largest window, in bytes (RFC 9113 section 6.9.1).
pub(crate) const MAX_WINDOW: u32 = (1 << 31) - 1;

/// A window grew beyond [`MAX_WINDOW`], or more came than it lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

/// What we may send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SendWindow(i32);

impl SendWindow {
    pub(crate) fn new(size: u32) -> SendWindow {
        SendWindow(i32::try_from(size).unwrap_or(i32::MAX))
    }

    /// Bytes that may go out.
    pub(crate) fn available(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    /// `bytes` went out; no more than [`SendWindow::available`].
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(i32::try_from(bytes).unwrap_or(i32::MAX));
    }

    /// WINDOW_UPDATE.
    pub(crate) fn widen(&mut self, increment: u32) -> Result<(), Overflow> {
        self.shift(i64::from(increment))
    }

    /// The peer's SETTINGS_INITIAL_WINDOW_SIZE changed by `delta`.
    pub(crate) fn shift(&mut self, delta: i64) -> Result<(), Overflow> {
        self.0 = i32::try_from(i64::from(self.0) + delta).map_err(|_| Overflow)?;
        Ok(())
    }
}

/// What the peer may send us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecvWindow {
    available: i32,
    /// Bytes that were taken on and not announced yet.
    unannounced: u32,
    /// Half of the whole window: updates are sent in such steps.
    step: u32,
    /// Bytes by which the window may still widen beyond its first size, as what comes is taken on.
    growth: u32,
}

impl RecvWindow {
    /// A window of `size` bytes, of which the peer knows `known`.
    pub(crate) fn new(size: u32, known: u32) -> RecvWindow {
        let known = i32::try_from(known).unwrap_or(i32::MAX);
        RecvWindow { available: known, unannounced: 0, step: (size / 2).max(1), growth: 0 }
    }

    /// The same, widening up to `widest` bytes for a reader that takes what comes.
    pub(crate) fn widening(self, size: u32, widest: u32) -> RecvWindow {
        RecvWindow { growth: widest.saturating_sub(size), ..self }
    }

    /// A frame of `bytes` came.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Overflow> {
        let bytes = i32::try_from(bytes).map_err(|_| Overflow)?;
        if bytes > 0 && bytes > self.available {
            return Err(Overflow);
        }
        self.available = self.available.checked_sub(bytes).ok_or(Overflow)?;
        Ok(())
    }

    /// `bytes` of what came were taken on. Says by how much to widen the window, if it is enough to be worth a frame.
    pub(crate) fn give(&mut self, bytes: usize) -> Option<u32> {
        // No more is given than came, and that is below MAX_WINDOW.
        let bytes = u32::try_from(bytes).unwrap_or(MAX_WINDOW);
        self.unannounced = self.unannounced.saturating_add(bytes).min(MAX_WINDOW);
        if self.unannounced < self.step {
            return None;
        }
        let extra = self.growth.min(self.unannounced);
        self.growth -= extra;
        self.step = self.step.saturating_add(extra / 2);
        let increment = std::mem::take(&mut self.unannounced).saturating_add(extra).min(MAX_WINDOW);
        self.available = self.available.saturating_add(i32::try_from(increment).unwrap_or(i32::MAX));
        Some(increment)
    }

    /// The peer has read our SETTINGS_INITIAL_WINDOW_SIZE, which is less than it went by before.
    pub(crate) fn shrink(&mut self, by: u32) {
        self.available = self.available.saturating_sub(i32::try_from(by).unwrap_or(i32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_window_goes_below_zero_and_never_over_the_top() {
        let mut window = SendWindow::new(INITIAL_WINDOW);
        window.consume(60_000);
        assert_eq!(window.available(), 5535);
        assert_eq!(window.shift(-20_000), Ok(()));
        assert_eq!(window.available(), 0, "14465 below zero");
        assert_eq!(window.widen(14_465), Ok(()));
        assert_eq!(window.available(), 0);
        assert_eq!(window.widen(1), Ok(()));
        assert_eq!(window.available(), 1);
        assert_eq!(window.widen(MAX_WINDOW), Err(Overflow));
        assert_eq!(window.widen(MAX_WINDOW - 1), Ok(()));
        assert_eq!(window.widen(1), Err(Overflow));
    }

    #[test]
    fn a_receive_window_widens_for_who_reads() {
        let mut window = RecvWindow::new(100, 100).widening(100, 400);
        let mut ahead = 100;
        for _ in 0..20 {
            assert_eq!(window.take(ahead), Ok(()));
            ahead = window.give(ahead).unwrap() as usize;
        }
        assert_eq!(ahead, 400, "and no further");
        let mut idle = RecvWindow::new(100, 100).widening(100, 400);
        assert_eq!(idle.take(101), Err(Overflow), "not before");
    }

    #[test]
    fn a_receive_window_is_opened_in_halves() {
        let mut window = RecvWindow::new(100, 100);
        assert_eq!(window.take(101), Err(Overflow));
        assert_eq!(window.take(100), Ok(()));
        assert_eq!(window.take(0), Ok(()));
        assert_eq!(window.take(1), Err(Overflow));
        assert_eq!(window.give(49), None);
        assert_eq!(window.give(1), Some(50));
        assert_eq!(window.take(51), Err(Overflow));
        assert_eq!(window.take(50), Ok(()));
        assert_eq!(window.give(0), None);
    }

    #[test]
    fn the_smallest_windows_open_at_once() {
        for size in [0, 1] {
            let mut window = RecvWindow::new(size, INITIAL_WINDOW);
            window.take(1).unwrap();
            assert_eq!(window.give(1), Some(1), "{size}");
        }
    }

    #[test]
    fn a_shrunk_receive_window_recovers_by_what_is_taken_on() {
        let mut window = RecvWindow::new(100, INITIAL_WINDOW);
        window.take(1000).unwrap();
        window.shrink(INITIAL_WINDOW - 100);
        assert_eq!(window.take(1), Err(Overflow));
        assert_eq!(window.take(0), Ok(()), "an empty frame always fits");
        assert_eq!(window.give(1000), Some(1000));
        assert_eq!(window.take(101), Err(Overflow));
        assert_eq!(window.take(100), Ok(()));
    }
}
