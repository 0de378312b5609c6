//! Palisade: a sidecar proxy that enforces tenant isolation for multi-tenant SaaS on AWS.
//!
//! It runs beside an untrusted application, terminates TLS, validates the caller's token against `x-tenant-id`, obtains STS
//! credentials scoped to that one tenant, and re-signs the application's outbound AWS requests, so that the application
//! never holds a credential.
//!
//! The claim to keep true: *a fully compromised application can touch no tenant that is not making a request through it at
//! that moment, and can take no credential away.*
//!
//! Tenets, ranked: **isolated, correct, observable, simple, fast**. When two conflict, the earlier wins.

pub mod admin;
pub mod app;
pub mod aws;
pub mod body;
mod causes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod directory;
pub mod egress;
pub mod guard;
pub mod hop;
pub mod identity;
pub mod ingress;
pub mod limits;
pub mod reject;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod secret;
pub mod server;
pub mod signing;
pub mod telemetry;
pub mod tenant;
pub mod upstream;

/// This release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The compiler that built it.
pub const RUSTC: &str = env!("PALISADE_RUSTC");
