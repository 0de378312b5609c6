//! Kinesis.

use super::{
    ACCOUNTS,
    About::{Each, Same},
    Absent, EVERYBODYS, JSON,
    Kind::Stream,
    Member,
    Names::{Arn, Name},
    Table, Untold, either, member, row,
};

const EITHER: &[Member] = &[either("StreamName", Name(Stream)), either("StreamARN", Arn(Stream))];
const CONSUMER: &[Member] = &[either("StreamARN", Arn(Stream)), either("ConsumerARN", Arn(Stream))];
const ITERATOR: Untold = "an iterator does not say whose stream it is of: StreamARN has to be given with it";
const QUEUES: Untold = "it is about queues and channels, which no rule is about";

pub(super) static TABLE: Table = Table {
    key: "kinesis",
    kind: Stream,
    protocols: JSON,
    usual: &[
        row(
            &["DescribeStream", "DescribeStreamSummary", "GetShardIterator", "ListShards", "ListTagsForStream", "PutRecord", "PutRecords"],
            Same(EITHER),
        ),
        row(&["GetRecords"], Each(&[Member { absent: Absent::Refused(ITERATOR), ..member("StreamARN", Arn(Stream)) }])),
        row(&["ListStreamConsumers"], Each(&[member("StreamARN", Arn(Stream))])),
        row(&["DescribeStreamConsumer"], Same(CONSUMER)),
        row(&["SubscribeToShard"], Each(&[member("ConsumerARN", Arn(Stream))])),
        row(&["GetResourcePolicy", "ListTagsForResource"], Each(&[member("ResourceARN", Arn(Stream))])),
    ],
    listed: &[
        row(
            &[
                "AddTagsToStream",
                "DecreaseStreamRetentionPeriod",
                "DeleteStream",
                "DisableEnhancedMonitoring",
                "EnableEnhancedMonitoring",
                "IncreaseStreamRetentionPeriod",
                "MergeShards",
                "RemoveTagsFromStream",
                "SplitShard",
                "StartStreamEncryption",
                "StopStreamEncryption",
                "UpdateShardCount",
                "UpdateStreamWarmThroughput",
            ],
            Same(EITHER),
        ),
        row(
            &["RegisterStreamConsumer", "UpdateMaxRecordSize", "UpdateStreamMode", "UpdateStreamRecordDistributionStrategy"],
            Each(&[member("StreamARN", Arn(Stream))]),
        ),
        row(&["DeregisterStreamConsumer"], Same(CONSUMER)),
        row(&["DeleteResourcePolicy", "PutResourcePolicy", "TagResource", "UntagResource"], Each(&[member("ResourceARN", Arn(Stream))])),
        row(&["CreateStream"], Each(&[member("StreamName", Name(Stream))])),
    ],
    harmless: &[],
    refused: &[
        (EVERYBODYS, &["ListStreams"]),
        (ACCOUNTS, &["DescribeAccountSettings", "DescribeLimits", "UpdateAccountSettings"]),
        (
            QUEUES,
            &[
                "AcknowledgeDeadLetterQueueRecords",
                "AcknowledgeQueueRecords",
                "CreateChannel",
                "CreateQueue",
                "DeleteChannel",
                "DeleteQueue",
                "DescribeChannel",
                "DescribeQueue",
                "ListChannels",
                "ListQueues",
                "ReceiveDeadLetterQueueRecords",
                "ReceiveQueueRecords",
                "RestoreDeadLetterQueueRecords",
                "UpdateChannel",
                "UpdateDeadLetterQueueRecordsVisibility",
                "UpdateQueue",
                "UpdateQueueRecordsVisibility",
            ],
        ),
    ],
    // Reserved: nobody knows yet what it will name.
    foreign: &["StreamId"],
};
