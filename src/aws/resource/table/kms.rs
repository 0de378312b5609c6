//! KMS.

use super::{About::Each, Absent, EVERYBODYS, JSON, Kind::Key, Member, Names::Any, TOKEN, Table, Untold, member, row};

const CONTROL: Untold = "it changes keys, their policies, or who may use them";
const STORES: Untold = "it is about key stores, which no rule is about";

/// The key, for operations that take an encryption context.
const WITH_CONTEXT: Member = Member { context: "EncryptionContext", ..member("KeyId", Any(Key)) };
/// The same, where the ciphertext says it if nothing else does.
const OF_CIPHERTEXT: Member = Member { absent: Absent::Unnamed, ..WITH_CONTEXT };
const SOURCE: Member = Member { path: "SourceKeyId", context: "SourceEncryptionContext", action: Some("ReEncryptFrom"), ..OF_CIPHERTEXT };
const DESTINATION: Member =
    Member { path: "DestinationKeyId", context: "DestinationEncryptionContext", action: Some("ReEncryptTo"), ..WITH_CONTEXT };

pub(super) static TABLE: Table = Table {
    key: "kms",
    kind: Key,
    protocols: JSON,
    usual: &[
        row(
            &[
                "Encrypt",
                "GenerateDataKey",
                "GenerateDataKeyPair",
                "GenerateDataKeyPairWithoutPlaintext",
                "GenerateDataKeyWithoutPlaintext",
            ],
            Each(&[WITH_CONTEXT]),
        ),
        row(&["Decrypt"], Each(&[OF_CIPHERTEXT])),
        row(&["ReEncrypt"], Each(&[SOURCE, DESTINATION])),
        row(
            &[
                "Decapsulate",
                "DeriveSharedSecret",
                "DescribeKey",
                "Encapsulate",
                "GenerateMac",
                "GetPublicKey",
                "Sign",
                "Verify",
                "VerifyMac",
            ],
            Each(&[member("KeyId", Any(Key))]),
        ),
    ],
    listed: &[],
    harmless: &["GenerateRandom"],
    refused: &[
        (EVERYBODYS, &["ListAliases", "ListKeys", "ListRetirableGrants"]),
        (
            CONTROL,
            &[
                "CancelKeyDeletion",
                "CreateAlias",
                "CreateGrant",
                "CreateKey",
                "DeleteAlias",
                "DeleteImportedKeyMaterial",
                "DisableKey",
                "DisableKeyRotation",
                "EnableKey",
                "EnableKeyRotation",
                "GetKeyLastUsage",
                "GetKeyPolicy",
                "GetKeyRotationStatus",
                "GetParametersForImport",
                "ImportKeyMaterial",
                "ListGrants",
                "ListKeyPolicies",
                "ListKeyRotations",
                "ListResourceTags",
                "PutKeyPolicy",
                "ReplicateKey",
                "RevokeGrant",
                "RotateKeyOnDemand",
                "ScheduleKeyDeletion",
                "TagResource",
                "UntagResource",
                "UpdateAlias",
                "UpdateKeyDescription",
                "UpdatePrimaryRegion",
            ],
        ),
        (TOKEN, &["RetireGrant"]),
        (
            STORES,
            &[
                "ConnectCustomKeyStore",
                "CreateCustomKeyStore",
                "DeleteCustomKeyStore",
                "DescribeCustomKeyStores",
                "DisconnectCustomKeyStore",
                "UpdateCustomKeyStore",
            ],
        ),
    ],
    foreign: &["CustomKeyStoreId"],
};
