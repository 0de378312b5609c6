//! A workload for the tests of other rooms.

use std::time::Duration;

use http::HeaderMap;

use super::{NamedWorkloads, ProvedWorkload};
use crate::{
    aws::action::{Actions, Pattern},
    clock::Clock,
    config::{Limits, NamedWorkloadConfig, WorkloadProof, WorkloadRole},
    identity::Presented,
    server::{Peer, User},
};

const UID: u32 = 1_000;

/// The process that is every workload of [`reader_of_s3`].
pub(crate) fn peer() -> Peer {
    Peer::over_socket(Some(User { uid: UID, pid: 7 }))
}

/// The workload `name`, which may read objects as the role of its name.
pub(crate) fn reader_of_s3(name: &str, clock: &Clock) -> NamedWorkloads {
    let config = NamedWorkloadConfig {
        name: name.parse().unwrap(),
        proof: WorkloadProof::User(UID),
        role: WorkloadRole {
            role_arn: format!("arn:aws:iam::111122223333:role/{name}"),
            session_name: name.to_owned(),
            external_id: None,
            session_tags: Vec::new(),
            duration: Duration::from_secs(3_600),
        },
        actions: Actions::new(vec![Pattern::parse("s3:GetObject").unwrap()]).unwrap(),
        resources: vec!["*".parse().unwrap()],
        limits: Limits::default(),
    };
    NamedWorkloads::open(&[config], "eu-west-1", Limits::default(), clock).unwrap()
}

/// The same, as a request has proved to be.
pub(crate) fn proved(workloads: &NamedWorkloads, name: &str) -> ProvedWorkload {
    workloads.prove(&name.parse().unwrap(), &Presented::for_tests_of_egress(HeaderMap::new()).unwrap(), &peer()).unwrap()
}
