//! Secrets Manager.

use super::{
    About::Each,
    EVERYBODYS, JSON,
    Kind::Secret,
    Names::{Any, Name},
    Table, Untold, member, nothing, row,
};

const REPLICAS: Untold = "it ties a secret to one of another account";

pub(super) static TABLE: Table = Table {
    key: "secretsmanager",
    kind: Secret,
    protocols: JSON,
    usual: &[
        row(
            &[
                "DeleteSecret",
                "DescribeSecret",
                "GetResourcePolicy",
                "GetSecretValue",
                "ListSecretVersionIds",
                "PutSecretValue",
                "RestoreSecret",
                "UpdateSecret",
                "UpdateSecretVersionStage",
            ],
            Each(&[member("SecretId", Any(Secret))]),
        ),
        // A filter finds whatever there is.
        row(&["BatchGetSecretValue"], Each(&[member("SecretIdList[]", Any(Secret))])),
        row(&["CreateSecret"], Each(&[member("Name", Name(Secret)), nothing("CrossAccountPrimaryARN")])),
    ],
    listed: &[row(
        &[
            "CancelRotateSecret",
            "DeleteResourcePolicy",
            "DisassociateCrossAccountReplica",
            "ListResourcePolicies",
            "PutResourcePolicy",
            "RemoveRegionsFromReplication",
            "ReplicateSecretToRegions",
            "RotateSecret",
            "StopReplicationToReplica",
            // A tag may be what a policy goes by.
            "TagResource",
            "UntagResource",
            "ValidateResourcePolicy",
        ],
        Each(&[member("SecretId", Any(Secret))]),
    )],
    harmless: &["GetRandomPassword"],
    refused: &[(EVERYBODYS, &["ListSecrets"]), (REPLICAS, &["AssociateCrossAccountReplica"])],
    foreign: &["Filters", "AddReplicaRegions"],
};
