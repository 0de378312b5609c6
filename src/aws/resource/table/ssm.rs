//! Systems Manager: its parameters, and nothing else of it.

use super::{
    About::Each,
    EVERYBODYS, JSON,
    Kind::Parameter,
    Names::{Any, Below, Name},
    Table, member, row,
};

pub(super) static TABLE: Table = Table {
    key: "ssm",
    kind: Parameter,
    protocols: JSON,
    usual: &[
        row(&["DeleteParameter", "GetParameter", "GetParameterHistory"], Each(&[member("Name", Any(Parameter))])),
        row(&["PutParameter"], Each(&[member("Name", Name(Parameter))])),
        row(&["DeleteParameters", "GetParameters"], Each(&[member("Names[]", Any(Parameter))])),
        // What filters say narrows it down.
        row(&["GetParametersByPath"], Each(&[member("Path", Below(Parameter))])),
    ],
    listed: &[row(&["LabelParameterVersion", "UnlabelParameterVersion"], Each(&[member("Name", Any(Parameter))]))],
    harmless: &[],
    refused: &[(EVERYBODYS, &["DescribeParameters"])],
    foreign: &[],
};
