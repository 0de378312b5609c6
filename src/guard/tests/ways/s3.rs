//! The same of S3: buckets and keys in path and host, prefixes of listings, each key of a `DeleteObjects`, sources of copies.

use super::*;
use crate::aws::operation::{S3Example, s3_examples};

/// Ways that are one's own, in another writing.
const OWN: [&str; 9] =
    ["own", "own-comma", "own-dot", "own-escaped", "own-escaped-slash", "own-reference", "own-slash", "own-slashes", "own-version"];
/// What tells of a bucket that it is there, and of one's own everything.
const HOST: &str = "s3.eu-west-1.amazonaws.com";

/// Where a request is to be about something: one's own, unless a way says otherwise.
#[derive(Clone)]
struct At {
    bucket: String,
    in_host: bool,
    key: String,
    prefix: String,
    sources: Vec<String>,
    body: String,
}

impl At {
    fn own() -> Self {
        Self {
            bucket: "pool-data".to_owned(),
            in_host: false,
            key: "acme/x".to_owned(),
            prefix: "prefix=acme/".to_owned(),
            sources: vec!["pool-data/acme/x".to_owned()],
            body: object("acme/x"),
        }
    }

    fn request(&self, (name, method, (has_bucket, has_key), query, header): &S3Example) -> Request<Body> {
        let key = if *has_key { self.key.as_str() } else { "" };
        let path = match (has_bucket, self.in_host) {
            (false, _) => "/".to_owned(),
            (true, true) => format!("/{key}"),
            (true, false) if *has_key => format!("/{}/{key}", self.bucket),
            (true, false) => format!("/{}", self.bucket),
        };
        let mut query: Vec<String> =
            query.iter().map(|part| if part.contains('=') { (*part).to_owned() } else { format!("{part}=1") }).collect();
        if LISTINGS.contains(name) && !self.prefix.is_empty() {
            query.push(self.prefix.clone());
        }
        let sources = if header.is_empty() { &[][..] } else { &self.sources[..] };
        let headers: Vec<_> = sources.iter().map(|source| (*header, source.as_str())).collect();
        let content = match *name {
            "DeleteObjects" => format!("<Delete>{}</Delete>", self.body),
            "RestoreObject" => "<RestoreRequest><Days>1</Days></RestoreRequest>".to_owned(),
            _ => String::new(),
        };
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let host = if self.in_host { format!("{}.{HOST}", self.bucket) } else { HOST.to_owned() };
        request(&format!("{method} {path}{query}"), &host, &headers, &content)
    }
}

const LISTINGS: [&str; 4] = ["ListMultipartUploads", "ListObjectVersions", "ListObjects", "ListObjectsV2"];
/// What tells of a bucket nothing but that it is there.
const HARMLESS: [&str; 2] = ["GetBucketLocation", "HeadBucket"];

/// An object of a `DeleteObjects`.
fn object(key: &str) -> String {
    format!("<Object><Key>{key}</Key></Object>")
}

const KEYS: [(&str, &str); 19] = [
    ("own", "acme/x"),
    ("own-dot", "acme/./x"),
    ("own-escaped", "%61cme/x"),
    ("own-escaped-slash", "acme%2Fx"),
    ("own-slashes", "acme//x"),
    ("another", "globex/x"),
    ("beginning", "acme-2/x"),
    ("beginning-2", "acme2/x"),
    ("shorter", "acm/x"),
    ("capital", "ACME/x"),
    ("no-folder", "acme"),
    ("inside", "globex/acme/x"),
    ("leading-slash", "/acme/x"),
    ("twice-escaped", "%2561cme/x"),
    ("step", "acme/../globex/x"),
    ("escaped-step", "acme/%2e%2e/globex/x"),
    ("backslash", "acme/..%5Cglobex%5Cx"),
    ("nul", "acme/x%00"),
    ("no-utf-8", "acme/%ff"),
];

const BUCKETS: [(&str, &str); 9] = [
    ("own", "pool-data"),
    ("another", "own-globex"),
    ("beginning", "own-acme-2"),
    ("shorter", "own-acm"),
    ("capital", "Pool-Data"),
    ("nobody's", "nobodys"),
    ("access-point", "pool-data-k3x-s3alias"),
    ("short", "po"),
    ("arn", "arn%3Aaws%3As3%3A%3A%3Apool-data"),
];

/// Of a bucket that is all of a tenant's.
const OWN_BUCKETS: [(&str, &str); 5] =
    [("own", "own-acme"), ("another", "own-globex"), ("beginning", "own-acme-2"), ("shorter", "own-acm"), ("nobody's", "own-")];

const PREFIXES: [(&str, &str); 15] = [
    ("own", "prefix=acme/"),
    ("own-escaped", "prefix=%61cme%2F"),
    ("another", "prefix=globex/"),
    ("beginning", "prefix=acme-2/"),
    ("shorter", "prefix=acm"),
    ("no-slash", "prefix=acme"),
    ("capital", "prefix=ACME/"),
    ("empty", "prefix="),
    ("absent", ""),
    ("twice", "prefix=acme/&prefix=globex/"),
    ("twice-another-first", "prefix=globex/&prefix=acme/"),
    ("twice-one-escaped", "prefix=acme/&%70refix=globex/"),
    ("other-case", "Prefix=acme/"),
    ("twice-escaped", "prefix=%2561cme/"),
    ("step", "prefix=acme/../globex/"),
];

const SOURCES: [(&str, &[&str]); 15] = [
    ("own", &["pool-data/acme/x"]),
    ("own-slash", &["/pool-data/acme/x"]),
    ("own-escaped", &["pool-data/%61cme/x"]),
    ("own-version", &["pool-data/acme/x?versionId=1"]),
    ("another", &["pool-data/globex/x"]),
    ("another-bucket", &["own-globex/x"]),
    ("beginning", &["pool-data/acme2/x"]),
    ("capital", &["pool-data/ACME/x"]),
    ("step", &["pool-data/acme/../globex/x"]),
    ("escaped-step", &["pool-data/acme/%2e%2e/globex/x"]),
    ("no-bucket", &["acme/x"]),
    ("access-point", &["arn:aws:s3:eu-west-1:111122223333:accesspoint/ap/object/acme/x"]),
    ("twice", &["pool-data/acme/x", "pool-data/globex/x"]),
    // One header is one source: a comma is of the key.
    ("own-comma", &["pool-data/acme/x,pool-data/globex/x"]),
    ("empty", &[""]),
];

fn bodies() -> Vec<(&'static str, String)> {
    vec![
        ("own", object("acme/x")),
        ("own-reference", object("&#97;cme/x")),
        ("another", object("globex/x")),
        ("another-reference", object("&#103;lobex/x")),
        ("beginning", object("acme2/x")),
        ("capital", object("ACME/x")),
        ("step", object("acme/../globex/x")),
        ("own-and-another", object("acme/x") + &object("globex/x")),
        ("another-and-own", object("globex/x") + &object("acme/x")),
        ("two-keys", "<Object><Key>acme/x</Key><Key>globex/x</Key></Object>".to_owned()),
        ("other-case", "<Object><key>acme/x</key></Object>".to_owned()),
        ("two-cases", "<Object><Key>acme/x</Key><key>globex/x</key></Object>".to_owned()),
        ("commented", object("acme/x<!-- -->")),
        ("cdata", object("<![CDATA[globex/x]]>")),
        ("no-key", "<Object></Object>".to_owned()),
        ("nothing", String::new()),
    ]
}

/// The places of an operation, and the ways to be about something there.
fn places((name, _, (has_bucket, has_key), _, header): &S3Example) -> Vec<(&'static str, Vec<(&'static str, At)>)> {
    let mut places = Vec::new();
    for in_host in [false, true] {
        let own = || At { in_host, ..At::own() };
        if *has_bucket {
            // What is in a host is in small letters, and no ARN.
            let buckets = BUCKETS.iter().filter(|(way, _)| !(in_host && matches!(*way, "arn" | "capital")));
            let buckets = buckets.map(|(way, bucket)| (*way, At { bucket: (*bucket).to_owned(), ..own() }));
            places.push((if in_host { "bucket in the host" } else { "bucket" }, buckets.collect()));
        }
        if *has_key {
            let keys = KEYS.iter().map(|(way, key)| (*way, At { key: (*key).to_owned(), ..own() }));
            places.push((if in_host { "key behind the host" } else { "key" }, keys.collect()));
        }
    }
    if *has_bucket {
        let buckets = OWN_BUCKETS.iter().map(|(way, bucket)| (*way, At { bucket: (*bucket).to_owned(), ..At::own() }));
        places.push(("bucket of one's own", buckets.collect()));
    }
    if LISTINGS.contains(name) {
        places.push(("prefix", PREFIXES.iter().map(|(way, prefix)| (*way, At { prefix: (*prefix).to_owned(), ..At::own() })).collect()));
    }
    if !header.is_empty() {
        let of = |sources: &[&str]| sources.iter().map(|source| (*source).to_owned()).collect();
        places.push((header, SOURCES.iter().map(|(way, sources)| (*way, At { sources: of(sources), ..At::own() })).collect()));
    }
    if *name == "DeleteObjects" {
        places.push(("body", bodies().into_iter().map(|(way, body)| (way, At { body, ..At::own() })).collect()));
    }
    places
}

/// With all actions listed, so that it is the thing alone that decides.
#[tokio::test]
async fn every_place_of_s3() {
    let rules = "{s3: [{buckets: [pool-data], prefix: '{tenant.id}/', actions: 's3:*'}, {buckets: ['own-{tenant.id}'], actions: 's3:*'}]}";
    let bench = Bench::new("{s3: {}}", rules);
    let mut text = String::from("# operation and place: the ways to name a bucket, a key or how keys begin there\n");
    for example in s3_examples() {
        for (place, ways) in places(&example) {
            let mut verdicts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (way, at) in ways {
                let outcome = bench.ask(&tenant("acme"), at.request(&example)).await;
                let name = example.0;
                let may_pass = OWN.contains(&way) || (HARMLESS.contains(&name) && !place.starts_with("bucket"));
                assert!(may_pass || outcome.verdict != "allowed", "{name} {place} {way}: {outcome:?}");
                verdicts.entry(brief(outcome.verdict)).or_default().push(way);
            }
            text += &format!("{} {place}\n{}", example.0, listed("", verdicts));
        }
    }
    golden("s3.ways", &text);
}
