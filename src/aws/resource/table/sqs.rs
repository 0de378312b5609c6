//! SQS.

use super::{
    About::Each,
    BOTH, EVERYBODYS,
    Kind::Queue,
    Names::{Arn, Name, Owned, Url},
    TOKEN, Table, member, row,
};

pub(super) static TABLE: Table = Table {
    key: "sqs",
    kind: Queue,
    protocols: BOTH,
    usual: &[
        row(
            &[
                "ChangeMessageVisibility",
                "ChangeMessageVisibilityBatch",
                "DeleteMessage",
                "DeleteMessageBatch",
                "GetQueueAttributes",
                "ListQueueTags",
                "ReceiveMessage",
                "SendMessage",
                "SendMessageBatch",
            ],
            Each(&[member("QueueUrl", Url)]),
        ),
        row(&["GetQueueUrl"], Each(&[member("QueueName", Owned(Queue, "QueueOwnerAWSAccountId"))])),
    ],
    listed: &[
        row(
            &[
                "AddPermission",
                "DeleteQueue",
                // The queues that it names are of whoever made them.
                "ListDeadLetterSourceQueues",
                "PurgeQueue",
                "RemovePermission",
                "SetQueueAttributes",
                "TagQueue",
                "UntagQueue",
            ],
            Each(&[member("QueueUrl", Url)]),
        ),
        row(&["CreateQueue"], Each(&[member("QueueName", Name(Queue))])),
        row(&["ListMessageMoveTasks"], Each(&[member("SourceArn", Arn(Queue))])),
        // Without a destination messages go back to where they came from, which nobody sees.
        row(&["StartMessageMoveTask"], Each(&[member("SourceArn", Arn(Queue)), member("DestinationArn", Arn(Queue))])),
    ],
    harmless: &[],
    refused: &[(EVERYBODYS, &["ListQueues"]), (TOKEN, &["CancelMessageMoveTask"])],
    foreign: &[],
};
