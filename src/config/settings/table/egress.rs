//! `egress`

use std::time::Duration;

use super::{
    ENDPOINT, Form, INSECURE, INSECURE_ABOUT, Kind, PATH, REGION, SERVER, Setting, TLS, default, deferred, derived, long, optional,
    required, short,
};

const SOCKET: &[Setting] = &[
    required("path", PATH, "Where it is made. What another process has left there is replaced, unless it is still listened on."),
    default("mode", Kind::Scalar(Form::OneOf(&["0600", "0660", "0666"])), "\"0660\"", "Its permissions: who may write to it may connect."),
];

pub(super) const EGRESS: &[Setting] = &[
    default(
        "listen",
        Kind::OneOrMore(&Form::Address),
        "127.0.0.1:8180",
        "Addresses to listen on. Loopback: the proofs of live requests pass here in plain HTTP.",
    ),
    optional(
        "socket",
        Kind::Section(SOCKET),
        "A Unix socket to listen on as well, in plain HTTP, for processes of this machine: the kernel says which user they are.",
    ),
    optional(
        "tls",
        Kind::Section(TLS),
        "Certificate and key, where proofs should not pass in plain HTTP. SDKs then have to trust the certificate's issuer.",
    ),
    optional(
        "hosts",
        Kind::OneOrMore(&Form::OwnName),
        "Names under which the application reaches the listener, besides `localhost` and addresses: `palisade`, `palisade.internal`. Requests \
         to S3 may have a bucket before such a name, as SDKs put it there by default.",
    ),
    required("region", REGION, "The region for requests that name none."),
    derived("regions", Kind::OneOrMore(&Form::Region), "`region` alone", "Regions that may be called; `region` is one of them."),
    derived(
        "proofs",
        Kind::OneOrMore(&Form::OneOf(&["passport", "jwt", "deferred", "certificate"])),
        "`[passport]` with an ingress, `[jwt]` without",
        "Which proofs are taken. A JWT that leaks works for its whole life, so `[passport, jwt]` is outside the security claim; so is \
         `deferred`, for workers: contexts that another process sealed (`redeem`). \
         `certificate` takes the certificates of `identity.workloads` for a proof.",
    ),
    required(
        "services",
        Kind::Map(&Form::ServiceName, &Kind::Section(SERVICE)),
        "Services that may be called, by endpoint prefix. What is not listed is refused; services that hand out credentials cannot be listed.",
    ),
    optional("ca", PATH, "PEM file of extra roots for every upstream, besides the platform's."),
    optional(
        "presign",
        Kind::Section(&[default(
            "max_expires",
            Kind::Scalar(Form::Duration { least: Duration::from_secs(1), most: Duration::from_secs(900) }),
            "5m",
            "Longest life of such a URL.",
        )]),
        "Lets the application ask for presigned S3 URLs (`POST /_palisade/presign`). Off unless it is here: such a URL works for whoever \
         has it, without Palisade, and outlives its request; it is outside the security claim.",
    ),
    optional(
        "defer",
        Kind::Section(deferred::DEFER),
        "Lets the application turn a live passport into a sealed context for work that is done later by another process (`POST \
         /_palisade/defer`). Off unless it is here: a context outlives its request; it is outside the security claim.",
    ),
    optional("redeem", Kind::Section(deferred::REDEEM), "Whose contexts are taken, beside a worker. Goes with `deferred` in `proofs`."),
    optional("server", Kind::Section(SERVER), "Overrides `server` for this listener."),
];

const SERVICE: &[Setting] = &[
    optional(
        "endpoint",
        ENDPOINT,
        "Where to send requests instead of AWS's own host name: a VPC endpoint, an emulator. Has to be given for `aoss`, `appsync-api`, \
         `es` and `execute-api`, whose hosts belong to customers.",
    ),
    default("insecure", INSECURE, "false", INSECURE_ABOUT),
    derived(
        "host",
        Kind::Scalar(Form::Host),
        "that of `endpoint`",
        "`Host` to send to `endpoint`, and the name that its certificate must be for: for an endpoint that is reached by address or through \
         a forwarder. Needs `https://` where it is not the endpoint's own.",
    ),
    derived(
        "signed_host",
        Kind::Scalar(Form::Host),
        "`host`",
        "`Host` to sign, where a gateway on the way to AWS replaces the one that is sent. Needs `https://` where it is not the endpoint's own.",
    ),
    optional("ca", PATH, "PEM file of extra roots for this service."),
    optional("region", REGION, "Region to sign for, whatever the request says: for global services and emulators."),
    optional("signing_name", Kind::Scalar(Form::ServiceName), "Name in the credential scope, where it is not the endpoint prefix."),
    default(
        "body_limit",
        Kind::Scalar(Form::Size { least: 1 << 10, most: 256 << 20 }),
        "16MiB",
        "Largest body that is held in memory to be hashed. DynamoDB's largest request has 16 MB; S3 bodies stream and are not held.",
    ),
    default(
        "connections",
        Kind::Scalar(Form::Count { least: 1, most: 100_000 }),
        "1024",
        "Connections open at once to all of the service's hosts; Envoy's default. A request that needs one more waits for \
         `timeouts.connect`, and is then refused as `overloaded`.",
    ),
    default(
        "connection_lifetime",
        long(),
        "10m",
        "Longest time for which a connection takes new requests; up to a tenth less. Addresses behind AWS's names change, and load moves with them.",
    ),
    default(
        "timeouts",
        Kind::Section(&[
            default("connect", short(), "5s", "TCP and TLS set-up."),
            default(
                "response",
                long(),
                "60s",
                "From the request's end to the response's head: what boto3 waits by default, and three times SQS's longest poll. \
                 A synchronous Lambda call may take 15 minutes: raise it there.",
            ),
            default(
                "idle",
                long(),
                "60s",
                "Longest silence inside a body. Event streams send heartbeats within seconds; boto3 gives up at 60 seconds too.",
            ),
        ]),
        "{}",
        "Deadlines towards this service.",
    ),
    default(
        "unguarded",
        Kind::Scalar(Form::Boolean),
        "false",
        "Says that no rule of `guard` is wanted: whatever the tenant's role may do, its requests may ask for.",
    ),
];
