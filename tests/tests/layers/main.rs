//! `bonafide-tower` without the gateway: the same layer before an axum router, a plain hyper service and a gRPC server.
//! Each of them is an example of how to write it.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod axum_router;
mod grpc_server;
mod hyper_service;
