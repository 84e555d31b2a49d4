//! `grpc_web`: a browser calls gRPC.

use serde::Serialize;

use crate::config::text::Object;

/// `grpc_web`: gRPC-Web becomes gRPC, and back. Has no settings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GrpcWeb {}

pub(super) fn read(_: &mut Object) -> Option<GrpcWeb> {
    Some(GrpcWeb {})
}
