//! Step Functions.

use super::{
    About::{Each, Same},
    EVERYBODYS, JSON,
    Kind::StateMachine,
    Names::{Arn, Name},
    TOKEN, Table, Untold, either, member, row,
};

const ACTIVITIES: Untold = "it is about activities, which no rule is about";
const ANY_ROLE: Untold = "it runs a state with a role of the request's choice";

pub(super) static TABLE: Table = Table {
    key: "states",
    kind: StateMachine,
    protocols: JSON,
    usual: &[
        row(
            &["DescribeStateMachine", "ListStateMachineAliases", "ListStateMachineVersions", "StartExecution", "StartSyncExecution"],
            Each(&[member("stateMachineArn", Arn(StateMachine))]),
        ),
        row(
            &[
                "DescribeExecution",
                "DescribeStateMachineForExecution",
                "GetExecutionHistory",
                "ListMapRuns",
                "RedriveExecution",
                "StopExecution",
            ],
            Each(&[member("executionArn", Arn(StateMachine))]),
        ),
        row(&["ListExecutions"], Same(&[either("stateMachineArn", Arn(StateMachine)), either("mapRunArn", Arn(StateMachine))])),
        row(&["DescribeMapRun", "UpdateMapRun"], Each(&[member("mapRunArn", Arn(StateMachine))])),
        row(&["DescribeStateMachineAlias"], Each(&[member("stateMachineAliasArn", Arn(StateMachine))])),
        row(&["ListTagsForResource"], Each(&[member("resourceArn", Arn(StateMachine))])),
    ],
    listed: &[
        // A machine does what its role may do.
        row(&["CreateStateMachine"], Each(&[member("name", Name(StateMachine))])),
        row(
            &["DeleteStateMachine", "PublishStateMachineVersion", "UpdateStateMachine"],
            Each(&[member("stateMachineArn", Arn(StateMachine))]),
        ),
        row(&["DeleteStateMachineAlias", "UpdateStateMachineAlias"], Each(&[member("stateMachineAliasArn", Arn(StateMachine))])),
        row(&["DeleteStateMachineVersion"], Each(&[member("stateMachineVersionArn", Arn(StateMachine))])),
        row(&["CreateStateMachineAlias"], Each(&[member("routingConfiguration[].stateMachineVersionArn", Arn(StateMachine))])),
        row(&["TagResource", "UntagResource"], Each(&[member("resourceArn", Arn(StateMachine))])),
    ],
    harmless: &["ValidateStateMachineDefinition"],
    refused: &[
        (EVERYBODYS, &["ListActivities", "ListStateMachines"]),
        (ACTIVITIES, &["CreateActivity", "DeleteActivity", "DescribeActivity", "GetActivityTask"]),
        (TOKEN, &["SendTaskFailure", "SendTaskHeartbeat", "SendTaskSuccess"]),
        (ANY_ROLE, &["TestState"]),
    ],
    foreign: &[],
};
