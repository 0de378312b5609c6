//! `telemetry.traces`

use std::time::Duration;

use super::{Form, INSECURE, INSECURE_ABOUT, Kind, PATH, Setting, TEXT, default, derived, optional, required, short};

pub(super) const TRACES: Setting = optional(
    "traces",
    Kind::Section(&[
        required(
            "otlp",
            Kind::Scalar(Form::Uri),
            "Where the collector is: 4317 is the usual port for gRPC, 4318 for HTTP. With `http/protobuf` a path is the whole path; without one it is `/v1/traces`.",
        ),
        default("insecure", INSECURE, "false", INSECURE_ABOUT),
        derived(
            "protocol",
            Kind::Scalar(Form::OneOf(&["grpc", "http/protobuf"])),
            "`http/protobuf` where `otlp` has a path or port 4318, else `grpc`",
            "What is spoken there.",
        ),
        optional(
            "headers",
            Kind::Map(&Form::HeaderName, &Kind::Secret),
            "Headers for the collector, such as the key of a service that takes traces. Refused over plain `http://`.",
        ),
        optional("ca", PATH, "PEM file of roots for the collector, besides the system's."),
        default("timeout", short(), "10s", "Deadline of one batch."),
        default("service_name", TEXT, "palisade", "`service.name`: one for each service that Palisade stands beside tells them apart."),
        optional(
            "resource",
            Kind::Map(&Form::Text, &Kind::Scalar(Form::Text)),
            "Other attributes of this process, such as `deployment.environment.name`. `OTEL_RESOURCE_ATTRIBUTES` is not read, nor is any other variable.",
        ),
        default("sampling", Kind::Section(SAMPLING), "{}", "Which requests are recorded."),
        default(
            "application_context",
            Kind::Scalar(Form::OneOf(&["continue", "restart"])),
            "restart",
            "Whether the trace that the application states on the egress goes on where no passport knows one, or a new one begins, linked to it. The passport's always wins: the application could choose any.",
        ),
        default(
            "queue",
            Kind::Scalar(Form::Count { least: 64, most: 65_536 }),
            "2048",
            "Spans that may wait. What finds no room is dropped and counted.",
        ),
        default("batch", Kind::Scalar(Form::Count { least: 1, most: 8_192 }), "512", "Spans that are sent together, at most."),
        default(
            "delay",
            Kind::Scalar(Form::Duration { least: Duration::from_millis(10), most: Duration::from_secs(60) }),
            "5s",
            "How long a span waits for others.",
        ),
    ]),
    "OpenTelemetry traces, over OTLP. Off unless it is here. See the [guide](guide/traces.md).",
);

const SAMPLING: &[Setting] = &[
    default("ratio", Kind::Scalar(Form::Fraction), "1", "Share of the traces that begin here, drawn by Palisade alone."),
    default(
        "follow_parent",
        Kind::Scalar(Form::Boolean),
        "true",
        "Whether the sampled flag decides for a trace that goes on here (`ingress.trace_context`, `application_context`): whoever sends it then says how much is recorded, within `per_second`. Otherwise `ratio` decides for these too.",
    ),
    default(
        "per_second",
        Kind::Scalar(Form::Count { least: 1, most: 1_000_000 }),
        "100",
        "Most requests of verified tenants and workloads that are recorded in a second, on both listeners together, whoever wants them recorded. As many again under passports of those, and a tenth of requests of nobody.",
    ),
];
