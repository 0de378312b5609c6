//! SNS.

use super::{
    ACCOUNTS,
    About::{Each, Same},
    EVERYBODYS, FORM,
    Kind::Topic,
    Names::{Arn, Name},
    Table, Untold, either, member, nothing, row,
};

const ENDPOINTS: Untold = "it is about telephones and applications on them, which no rule is about";

pub(super) static TABLE: Table = Table {
    key: "sns",
    kind: Topic,
    protocols: FORM,
    usual: &[
        // A telephone, or an application on one, is no topic.
        row(&["Publish"], Same(&[either("TopicArn", Arn(Topic)), either("TargetArn", Arn(Topic)), nothing("PhoneNumber")])),
        row(&["GetTopicAttributes", "ListSubscriptionsByTopic", "PublishBatch"], Each(&[member("TopicArn", Arn(Topic))])),
        row(&["GetSubscriptionAttributes"], Each(&[member("SubscriptionArn", Arn(Topic))])),
        row(&["GetDataProtectionPolicy", "ListTagsForResource"], Each(&[member("ResourceArn", Arn(Topic))])),
    ],
    listed: &[
        // A subscription sends what is published to wherever its endpoint is.
        row(
            &["AddPermission", "ConfirmSubscription", "DeleteTopic", "RemovePermission", "SetTopicAttributes", "Subscribe"],
            Each(&[member("TopicArn", Arn(Topic))]),
        ),
        row(&["SetSubscriptionAttributes", "Unsubscribe"], Each(&[member("SubscriptionArn", Arn(Topic))])),
        row(&["PutDataProtectionPolicy", "TagResource", "UntagResource"], Each(&[member("ResourceArn", Arn(Topic))])),
        row(&["CreateTopic"], Each(&[member("Name", Name(Topic))])),
    ],
    harmless: &[],
    refused: &[
        (EVERYBODYS, &["ListSubscriptions", "ListTopics"]),
        (
            ENDPOINTS,
            &[
                "CheckIfPhoneNumberIsOptedOut",
                "CreatePlatformApplication",
                "CreatePlatformEndpoint",
                "CreateSMSSandboxPhoneNumber",
                "DeleteEndpoint",
                "DeletePlatformApplication",
                "DeleteSMSSandboxPhoneNumber",
                "GetEndpointAttributes",
                "GetPlatformApplicationAttributes",
                "ListEndpointsByPlatformApplication",
                "ListOriginationNumbers",
                "ListPhoneNumbersOptedOut",
                "ListPlatformApplications",
                "ListSMSSandboxPhoneNumbers",
                "OptInPhoneNumber",
                "SetEndpointAttributes",
                "SetPlatformApplicationAttributes",
                "VerifySMSSandboxPhoneNumber",
            ],
        ),
        (ACCOUNTS, &["GetSMSAttributes", "GetSMSSandboxAccountStatus", "SetSMSAttributes"]),
    ],
    foreign: &[],
};
