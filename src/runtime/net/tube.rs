//! [`Tube`]: a kernel pipe between two sockets. splice(2) moves pages from one socket into it and on to the other: the bytes
//! are neither copied nor seen by this process. [`Tubes`] are those of one worker.
//!
//! It pays with large pipes. Measured on loopback against reads and writes of 256 KiB, CPU time of this process: 0.8 times
//! as much with a pipe of 256 KiB, 0.6 times with 1 MiB, more than which nobody gets without privileges (pipe(7),
//! "pipe-max-size").

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// The most that is in a tube, in bytes.
const SIZE: usize = 1 << 20;
/// Tubes of a worker at a time: what is in them may be as much as all large read buffers together.
const MOST: usize = 16;
/// Empty tubes kept for the next ones who need them.
const SPARE: usize = 4;

/// The tubes of a worker.
#[derive(Default)]
pub struct Tubes {
    spare: RefCell<Vec<Ends>>,
    taken: Cell<usize>,
}

/// A pipe and what is in it. Dropping it drops that too.
pub struct Tube {
    /// None only while it is dropped.
    ends: Option<Ends>,
    held: usize,
    owner: Rc<Tubes>,
}

struct Ends {
    output: OwnedFd,
    input: OwnedFd,
}

impl Tubes {
    /// An empty tube; none if enough are in use, or the kernel gives no (large) pipe.
    pub fn take(self: &Rc<Self>) -> Option<Tube> {
        if self.taken.get() == MOST {
            return None;
        }
        let spare = self.spare.borrow_mut().pop();
        let ends = spare.or_else(|| Ends::new().ok())?;
        self.taken.set(self.taken.get() + 1);
        Some(Tube { ends: Some(ends), held: 0, owner: self.clone() })
    }
}

impl Ends {
    fn new() -> io::Result<Ends> {
        let (output, input) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        fcntl_setpipe_size(&input, SIZE)?;
        Ok(Ends { output, input })
    }
}

impl Tube {
    /// Bytes that went in and not yet out.
    pub fn held(&self) -> usize {
        self.held
    }

    pub(super) fn fill_from(&mut self, socket: impl AsFd) -> Result<usize, Errno> {
        let ends = self.ends.as_ref().ok_or(Errno::BADF)?;
        let moved = splice(socket, None, &ends.input, None, SIZE, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?;
        self.held += moved;
        Ok(moved)
    }

    pub(super) fn drain_to(&mut self, socket: impl AsFd) -> Result<usize, Errno> {
        let ends = self.ends.as_ref().ok_or(Errno::BADF)?;
        let moved = splice(&ends.output, None, socket, None, self.held, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?;
        self.held -= moved;
        Ok(moved)
    }
}

impl Drop for Tube {
    fn drop(&mut self) {
        self.owner.taken.set(self.owner.taken.get() - 1);
        let mut spare = self.owner.spare.borrow_mut();
        if self.held == 0 && spare.len() < SPARE {
            spare.extend(self.ends.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn tubes_are_few_and_those_kept_are_empty() {
        let tubes = Rc::new(Tubes::default());
        let mut taken: Vec<_> = (0..MOST).map_while(|_| tubes.take()).collect();
        assert_eq!(taken.len(), MOST);
        assert!(tubes.take().is_none());
        let (mut far, near) = UnixStream::pair().unwrap();
        far.write_all(b"left behind").unwrap();
        assert_eq!(taken[0].fill_from(&near), Ok(11));
        taken.truncate(1);
        assert_eq!(tubes.spare.borrow().len(), SPARE);
        tubes.spare.borrow_mut().clear();
        drop(taken);
        assert!(tubes.spare.borrow().is_empty(), "there is something in it");
        assert_eq!(tubes.taken.get(), 0);
    }

    #[test]
    fn what_goes_in_comes_out() {
        let tubes = Rc::new(Tubes::default());
        let mut tube = tubes.take().unwrap();
        let (mut far, near) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        assert_eq!(tube.fill_from(&near), Err(Errno::AGAIN));
        far.write_all(b"some bytes").unwrap();
        assert_eq!(tube.fill_from(&near), Ok(10));
        assert_eq!(tube.held(), 10);
        let (mut other, sink) = UnixStream::pair().unwrap();
        assert_eq!(tube.drain_to(&sink), Ok(10));
        assert_eq!(tube.held(), 0);
        let mut seen = [0; 10];
        other.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"some bytes");
        drop(far);
        assert_eq!(tube.fill_from(&near), Ok(0), "the end");
    }
}
