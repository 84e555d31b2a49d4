//! Table-driven tests of the threat list's HTTP/1 rows. [`harness`] feeds each sample whole, byte by byte, cut in two at
//! every place, and with bytes behind it: the verdict must be the same.

mod bodies;
mod exchange;
mod harness;
mod mutation;
mod requests;
mod responses;
mod serialise;
