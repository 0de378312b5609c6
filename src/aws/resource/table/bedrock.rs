//! Bedrock's runtime.

use super::{About::Rest as Path, EVERYBODYS, Kind::Model, REST, Rest, TOKEN, Table, Untold, row};

/// Its action is that of a plain invocation, so that no list could tell the two apart.
const ELSEWHERE: Untold = "it writes what the model says where the request wants it";
const EVENTS: Untold = "its events would each need a signature";
const NO_MODEL: Untold = "it is about no model and no guardrail";

pub(super) static TABLE: Table = Table {
    key: "bedrock-runtime",
    kind: Model,
    protocols: REST,
    usual: &[
        row(&["Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream"], Path(Rest::Model)),
        row(&["ApplyGuardrail"], Path(Rest::Guardrail)),
    ],
    // What it counts may be in a form that is not read here.
    listed: &[row(&["CountTokens"], Path(Rest::Model))],
    harmless: &[],
    refused: &[
        (EVERYBODYS, &["ListAsyncInvokes"]),
        (TOKEN, &["GetAsyncInvoke"]),
        (ELSEWHERE, &["StartAsyncInvoke"]),
        (EVENTS, &["InvokeModelWithBidirectionalStream"]),
        (NO_MODEL, &["InvokeGuardrailChecks"]),
    ],
    foreign: &[],
};
