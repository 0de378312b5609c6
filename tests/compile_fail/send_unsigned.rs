//! The client for AWS takes signed requests and nothing else.
use palisade::{body::Body, upstream::AwsClient};

async fn send(client: &AwsClient, request: http::Request<Body>) {
    let _ = client.send(request).await; //~ E0308 mismatched types: expected `SignedRequest`, found `Request<UnsyncBoxBody<Bytes, Box<...>>>`
}

fn main() {}
