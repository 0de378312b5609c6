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
//!
//! # The two paths
//!
//! Each is straight-line code over typed states; every state can only be made from the one before it, in a file of its own.
//!
//! ```text
//! ingress:  MatchedRequest ─▶ VerifiedRequest ─▶ AuthorisedRequest ─▶ AdmittedRequest ─▶ ForwardRequest (with a passport) ─▶ RoutedRequest ─▶ application
//! egress:   request ─▶ VerifiedRequest ─▶ AdmittedRequest ─▶ GuardedRequest ─▶ CredentialedRequest ─▶ SignedRequest ─▶ AWS
//! ```
//!
//! What a passport allows is done under its [`Lease`](identity::Lease): when the request that it was minted for ends, whatever
//! is still in progress for it on the egress is cut off.
//!
//! # Where to look
//!
//! | room | what it promises |
//! | --- | --- |
//! | [`identity`] | where trust begins: raw headers are read in one place, tokens verified, passports minted and redeemed |
//! | [`directory`] | an unknown or suspended tenant goes no further; proof and record are joined once |
//! | [`authorise`] | which methods and paths a caller may use; a path is read in one way, or refused |
//! | [`limits`] | rate and concurrency by verified tenant |
//! | [`guard`], [`aws`] | where a request goes and what it asks for, in the one form that is then signed and sent; nothing that hands out credentials |
//! | [`credentials`] | one STS call for one thing, never one tenant's session for another, outages ridden out |
//! | [`sigv4`] | AWS Signature Version 4 as text and bytes, pure: one form that is checked, signed and sent |
//! | [`signing`] | the tenant's signature on a guarded request; bodies that are not what was signed for never arrive whole |
//! | [`routes`] | which upstream a tenant's requests go to: the record decides, and there is no second best |
//! | [`ingress`], [`egress`] | the pipelines, to be read from top to bottom |
//! | [`server`], [`upstream`] | HTTP and TLS under limits and deadlines, and who a client is by its certificate; no tenants |
//! | [`reject`] | the closed list of reasons, and the only place where "no" becomes a response |
//! | [`workloads`] | work of no tenant: named, proved, and allowed what is listed alone |
//! | [`audit`] | every decision of consequence, in a form in which change, removal and truncation can be proved |
//! | [`telemetry`], [`admin`] | what operators see; no payload, token or secret passes through |
//! | [`config`] | validated, immutable, complete; every error at once |
//! | [`doctor`] | what a configuration relies on, looked at from where it runs |
//! | [`iam`] | what AWS has to allow for a configuration, no wider than it is meant |
//! | [`app`], [`cli`] | everything wired in one function, and wired anew for another configuration; one file a command |
//!
//! # Deliberately absent
//!
//! A default role, tenant or key. An unsigned forward. A way to read a secret access key, or to change a signed request. Trust
//! in the loopback interface: the application shares it. Ambient time (`clippy.toml` bans it). `unsafe` code.

pub mod admin;
pub mod app;
pub mod audit;
pub mod authorise;
pub mod aws;
pub mod body;
mod causes;
mod cgroup;
mod cidr;
pub mod cli;
pub mod client_pattern;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod directory;
mod distinguished_name;
pub mod doctor;
pub mod egress;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod guard;
pub mod hop;
pub mod iam;
pub mod identity;
pub mod ingress;
pub mod limits;
pub mod reject;
pub mod routes;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod secret;
pub mod server;
pub mod signing;
pub mod sigv4;
pub mod skew;
pub mod spiffe;
mod strict_json;
pub mod telemetry;
pub mod tenant;
pub mod upstream;
pub mod workload_name;
pub mod workloads;

/// This release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The compiler that built it.
pub const RUSTC: &str = env!("PALISADE_RUSTC");
