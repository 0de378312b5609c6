//! What Palisade knows about AWS: where a request is going, what it asks for, and how the answer has to look.
//!
//! Everything here is pure: no I/O, no clock, no tenant. [`target`] turns what a request says about its destination into one
//! allowed destination or a refusal; [`operation`] names what it asks for and refuses what would hand out credentials; [`action`] says which
//! of IAM's actions that takes, and [`resource`] with what;
//! [`dialect`] writes refusals the way the called service writes its errors; [`response`] decides what of AWS's answer may
//! pass. [`service`] and [`partition`] are tables of facts, generated from botocore's models, as is the list of [`operation`]s.

pub mod action;
pub mod dialect;
pub(crate) mod glob;
pub mod operation;
pub mod partition;
pub mod resource;
pub mod response;
pub mod service;
pub mod target;
