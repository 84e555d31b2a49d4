//! HPACK (RFC 7541): header compression for HTTP/2, bounded on both sides.
#![forbid(unsafe_code)]
