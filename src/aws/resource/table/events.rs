//! EventBridge.

use super::{
    About::Each,
    Absent, EVERYBODYS, JSON,
    Kind::Bus,
    Member,
    Names::{Any, Arn, Name},
    Table, Untold, member, row,
};

const OTHERS: Untold = "it is about connections, archives and the like, which no rule is about";
const PARTNERS: Untold = "it is about sources of partners, which no rule is about";
/// The bus that is meant where none is named.
const DEFAULT: &str = "default";
const BUS: &[Member] = &[or_default("EventBusName")];

const fn or_default(path: &'static str) -> Member {
    Member { absent: Absent::Default(DEFAULT), ..member(path, Any(Bus)) }
}

pub(super) static TABLE: Table = Table {
    key: "events",
    kind: Bus,
    protocols: JSON,
    usual: &[
        row(&["PutEvents"], Each(&[or_default("Entries[].EventBusName")])),
        row(&["DescribeEventBus"], Each(&[or_default("Name")])),
        row(&["DescribeRule", "ListRules", "ListTargetsByRule"], Each(BUS)),
    ],
    listed: &[
        // A rule sends what happens on a bus to wherever its targets are.
        row(
            &["DeleteRule", "DisableRule", "EnableRule", "PutPermission", "PutRule", "PutTargets", "RemovePermission", "RemoveTargets"],
            Each(BUS),
        ),
        row(&["CreateEventBus", "DeleteEventBus"], Each(&[member("Name", Name(Bus))])),
        row(&["UpdateEventBus"], Each(&[or_default("Name")])),
        row(&["ListTagsForResource", "TagResource", "UntagResource"], Each(&[member("ResourceARN", Arn(Bus))])),
    ],
    harmless: &["TestEventPattern"],
    refused: &[
        (
            EVERYBODYS,
            &[
                "ListApiDestinations",
                "ListArchives",
                "ListConnections",
                "ListEndpoints",
                "ListEventBuses",
                "ListEventSources",
                "ListPartnerEventSourceAccounts",
                "ListPartnerEventSources",
                "ListReplays",
                "ListRuleNamesByTarget",
            ],
        ),
        (
            OTHERS,
            &[
                "CancelReplay",
                "CreateApiDestination",
                "CreateArchive",
                "CreateConnection",
                "CreateEndpoint",
                "DeauthorizeConnection",
                "DeleteApiDestination",
                "DeleteArchive",
                "DeleteConnection",
                "DeleteEndpoint",
                "DescribeApiDestination",
                "DescribeArchive",
                "DescribeConnection",
                "DescribeEndpoint",
                "DescribeReplay",
                "StartReplay",
                "UpdateApiDestination",
                "UpdateArchive",
                "UpdateConnection",
                "UpdateEndpoint",
            ],
        ),
        (
            PARTNERS,
            &[
                "ActivateEventSource",
                "CreatePartnerEventSource",
                "DeactivateEventSource",
                "DeletePartnerEventSource",
                "DescribeEventSource",
                "DescribePartnerEventSource",
                "PutPartnerEvents",
            ],
        ),
    ],
    // Which buses are behind a global endpoint its id does not say.
    foreign: &["EndpointId", "EventSourceName"],
};
