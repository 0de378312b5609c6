//! Firehose.

use super::{About::Each, EVERYBODYS, JSON, Kind::DeliveryStream, Member, Names::Name, Table, member, row};

const STREAM: &[Member] = &[member("DeliveryStreamName", Name(DeliveryStream))];

pub(super) static TABLE: Table = Table {
    key: "firehose",
    kind: DeliveryStream,
    protocols: JSON,
    usual: &[row(&["DescribeDeliveryStream", "ListTagsForDeliveryStream", "PutRecord", "PutRecordBatch"], Each(STREAM))],
    listed: &[row(
        &[
            "CreateDeliveryStream",
            "DeleteDeliveryStream",
            "StartDeliveryStreamEncryption",
            "StopDeliveryStreamEncryption",
            "TagDeliveryStream",
            "UntagDeliveryStream",
            "UpdateDestination",
        ],
        Each(STREAM),
    )],
    harmless: &[],
    refused: &[(EVERYBODYS, &["ListDeliveryStreams"])],
    foreign: &[],
};
