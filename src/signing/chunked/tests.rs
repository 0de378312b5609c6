//! What the client framed comes out with the same data, framed and signed anew; what it did not frame well does not come out.

use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::sign::v4;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, StreamBody};
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{encode::CHUNK, *};
use crate::{
    body::{Body, BoxError},
    signing::PayloadError,
    sigv4::{Chain, EMPTY_SHA256, sha256_hex},
};

const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";

fn chain(secret: &str) -> Chain {
    let key = v4::generate_signing_key(secret, UNIX_EPOCH + Duration::from_secs(1_369_353_600), "us-east-1", "s3");
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(key.as_ref());
    Chain::new(bytes, "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", SEED.into())
}

/// A client's body, written as the S3 API reference says.
fn framed(secret: &str, chunks: &[&[u8]], trailers: &[(&str, &str)]) -> Vec<u8> {
    let mut chain = chain(secret);
    let mut out = Vec::new();
    for data in chunks {
        out.extend(format!("{:x};chunk-signature={}\r\n", data.len(), chain.chunk(&sha256_hex(data))).into_bytes());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
    out.extend(format!("0;chunk-signature={}\r\n", chain.chunk(EMPTY_SHA256)).into_bytes());
    if !trailers.is_empty() {
        let mut signed = String::new();
        for (name, value) in trailers {
            out.extend(format!("{name}:{value}\r\n").into_bytes());
            signed += &format!("{name}:{value}\n");
        }
        out.extend(format!("x-amz-trailer-signature:{}\r\n", chain.trailer(&sha256_hex(signed.as_bytes()))).into_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn announced(decoded: u64, trailers: &[&str]) -> Announced {
    Announced { decoded, trailers: trailers.iter().map(|t| (*t).to_owned()).collect(), has_trailer: !trailers.is_empty() }
}

/// `bytes` in pieces of `step`.
fn body(bytes: &[u8], step: usize) -> Body {
    let frames: Vec<_> = bytes.chunks(step).map(|part| Ok::<_, BoxError>(Frame::data(Bytes::copy_from_slice(part)))).collect();
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

/// What is sent of a client's body, or why it broke off.
async fn resign(bytes: &[u8], step: usize, announced: Announced, check: Option<&str>) -> (Vec<u8>, Option<Reason>) {
    let encoded = announced.encoded();
    let mut resigned = Resigned::new(Chunks::new(body(bytes, step), announced, check.map(chain)), chain("tenant"));
    assert_eq!(resigned.size_hint().exact(), encoded);
    let mut sent = Vec::new();
    while let Some(frame) = resigned.frame().await {
        match frame {
            Ok(frame) => sent.extend_from_slice(&frame.into_data().unwrap()),
            Err(error) => {
                assert!(resigned.frame().await.is_none(), "more came after the error");
                return (sent, Some(error.downcast_ref::<PayloadError>().unwrap().reason));
            }
        }
    }
    assert!(resigned.is_end_stream());
    if let Some(length) = encoded {
        assert_eq!(sent.len() as u64, length, "the announced length is wrong");
    }
    (sent, None)
}

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8).collect()
}

#[tokio::test]
async fn the_same_data_comes_out_in_chunks_of_ours_under_the_tenant_s_key() {
    for length in [0, 1, 8_192, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17] {
        let whole = data(length);
        let expected = framed("tenant", &whole.chunks(CHUNK).collect::<Vec<_>>(), &[]);
        for (chunk, step) in [(8_192, 1 << 20), (100_000, 1_000), (length.max(1), 777), (3, 1 << 20), (5_000, 7_000)] {
            let sent = framed("client", &whole.chunks(chunk).collect::<Vec<_>>(), &[]);
            for check in [None, Some("client")] {
                assert_eq!(resign(&sent, step, announced(length as u64, &[]), check).await, (expected.clone(), None), "{length} {chunk}");
            }
        }
    }
}

#[tokio::test]
async fn trailers_are_signed_anew() {
    let trailers = [("x-amz-checksum-crc32c", "sOO8/Q==")];
    let sent = framed("client", &[b"abc", b"defg"], &trailers);
    let expected = framed("tenant", &[b"abcdefg"], &trailers);
    assert_eq!(resign(&sent, 3, announced(7, &["x-amz-checksum-crc32c"]), Some("client")).await, (expected, None));
}

#[tokio::test]
async fn a_trailer_of_unknown_length_leaves_the_length_open() {
    let sent = framed("client", &[b"abc"], &[("x-amz-checksum-xxhash3", "anything")]);
    let known = announced(3, &["x-amz-checksum-xxhash3"]);
    assert_eq!(known.encoded(), None);
    let expected = framed("tenant", &[b"abc"], &[("x-amz-checksum-xxhash3", "anything")]);
    assert_eq!(resign(&sent, 9, known, Some("client")).await, (expected, None));
}

#[tokio::test]
async fn the_line_ends_of_the_s3_reference_are_taken_too() {
    let ours = String::from_utf8(framed("client", &[b"abc"], &[("x-amz-checksum-crc32", "NSRBwg==")])).unwrap();
    let reference = ours.replace("NSRBwg==\r\n", "NSRBwg==\n\r\n");
    assert_ne!(ours, reference);
    let expected = framed("tenant", &[b"abc"], &[("x-amz-checksum-crc32", "NSRBwg==")]);
    assert_eq!(resign(reference.as_bytes(), 2, announced(3, &["x-amz-checksum-crc32"]), Some("client")).await, (expected, None));
}

/// The terminal chunk, without which nothing is stored.
fn is_complete(sent: &[u8]) -> bool {
    sent.windows(20).any(|window| window.starts_with(b"0;chunk-signature=") || window.starts_with(b"\r\n0;chunk-signature"))
}

#[tokio::test]
async fn what_is_not_framed_as_announced_never_arrives_whole() {
    let good = String::from_utf8(framed("client", &[b"abc", b"defg"], &[])).unwrap();
    let zeros = "0".repeat(64);
    let broken = [
        (good.replacen("abc", "abcd", 1), 8),
        (good.clone(), 6),
        (good.clone(), 8),
        (good.replace("3;chunk", "4;chunk"), 7),
        (good.replacen("3;chunk-signature=", "3;chunk-signatura=", 1), 7),
        (good.replacen("3;", "+3;", 1), 7),
        (good.replacen("3;", " 3;", 1), 7),
        (good.replacen("3;", "00000000000000003;", 1), 7),
        (good.replacen("3;", "ffffffffffffffff;", 1), 7),
        (good.replacen("\r\n", "\n", 1), 7),
        (good.replacen("abc\r\n", "abc\n", 1), 7),
        (good.replacen("abc\r\n", "abcX\r\n", 1), 7),
        (format!("{good}x"), 7),
        (format!("{good}\r\n"), 7),
        (good[..good.len() - 1].to_owned(), 7),
        (good[..good.len() - 4].to_owned(), 7),
        (good[..good.len() - 90].to_owned(), 7),
        (good[..60].to_owned(), 7),
        (String::new(), 7),
        (String::new(), 0),
        ("abcdefg".to_owned(), 7),
        (format!("7;chunk-signature={zeros}X\r\nabcdefg\r\n0;chunk-signature={zeros}\r\n\r\n"), 7),
        (format!("3;chunk-signature={zeros}\r\nabc\r\n0;chunk-signature={zeros}\r\n\r\n"), 7),
        (format!("{}\r\n", "3".repeat(10_000)), 7),
    ];
    for (sent, decoded) in broken {
        for step in [1, 5, 1 << 20] {
            let (out, reason) = resign(sent.as_bytes(), step, announced(decoded, &[]), None).await;
            assert_eq!(reason, Some(Reason::PayloadMalformed), "{sent:?} {decoded}");
            assert!(!is_complete(&out), "{sent:?} was completed");
        }
    }
}

#[tokio::test]
async fn trailers_that_are_not_announced_or_not_signed_never_arrive() {
    let names = ["x-amz-checksum-crc32"];
    let good = String::from_utf8(framed("client", &[b"abc"], &[("x-amz-checksum-crc32", "NSRBwg==")])).unwrap();
    let signature = good.find("x-amz-trailer-signature").unwrap();
    let broken = [
        good.replace("crc32:", "sha1:"),
        good.replace("x-amz-checksum-crc32:NSRBwg==\r\n", ""),
        good.replace("x-amz-checksum-crc32:NSRBwg==\r\n", "x-amz-checksum-crc32:NSRBwg==\r\nx-amz-checksum-crc32:NSRBwg==\r\n"),
        good.replace("x-amz-checksum-crc32:NSRBwg==\r\n", "x-amz-checksum-crc32:NSRBwg==\r\nx-amz-acl:public-read\r\n"),
        good.replace("NSRBwg==", ""),
        good.replace("NSRBwg==", "NSRBwg"),
        good.replace("NSRBwg==", &"A".repeat(84)),
        good.replace("NSRBwg==", "a\tb"),
        good.replace("crc32:NSRBwg==", "crc32 NSRBwg=="),
        format!("{}\r\n", &good[..signature]),
        format!("{}\r\n\r\n\r\n", &good[..signature]),
        good.replace("x-amz-trailer-signature:", "x-amz-trailer-signature:0"),
        format!("{}x-amz-a:b\r\n\r\n", &good[..good.len() - 2]),
        format!("{good}more"),
    ];
    for sent in broken {
        for step in [1, 1 << 20] {
            let (out, reason) = resign(sent.as_bytes(), step, announced(3, &names), None).await;
            assert_eq!(reason, Some(Reason::PayloadMalformed), "{sent:?}");
            assert!(!is_complete(&out), "{sent:?} was completed");
        }
    }
}

#[tokio::test]
async fn where_the_keys_are_ours_every_chunk_s_signature_is_checked() {
    let trailers = [("x-amz-checksum-crc32", "NSRBwg==")];
    let good = framed("client", &[b"abc", b"defg"], &trailers);
    let text = String::from_utf8(good.clone()).unwrap();
    let of = |sent: Vec<u8>| async move { resign(&sent, 7, announced(7, &["x-amz-checksum-crc32"]), Some("client")).await };
    assert_eq!(of(good).await.1, None);
    let cuts = |part: usize| text.match_indices("signature").nth(part).unwrap().0;
    let mut forged: Vec<String> = vec![
        text.replace("abc", "abd"),
        text.replace("defg", "defh"),
        text.replace("NSRBwg==", "NSRBwh=="),
        String::from_utf8(framed("another", &[b"abc", b"defg"], &trailers)).unwrap(),
    ];
    for part in 0..4 {
        let at = text[cuts(part)..].find(['=', ':']).unwrap() + cuts(part) + 1;
        let digit = if &text[at..=at] == "0" { "1" } else { "0" };
        forged.push(format!("{}{digit}{}", &text[..at], &text[at + 1..]));
    }
    for sent in forged {
        let (out, reason) = of(sent.clone().into_bytes()).await;
        assert_eq!(reason, Some(Reason::SignatureMismatch), "{sent:?}");
        assert!(!is_complete(&out), "{sent:?} was completed");
        assert_eq!(resign(sent.as_bytes(), 7, announced(7, &["x-amz-checksum-crc32"]), None).await.1, None, "the form is right");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_keeps_its_cause() {
    let frames = vec![Ok(Frame::data(Bytes::from_static(b"3;chunk"))), Err::<_, BoxError>("reset".into())];
    let body = StreamBody::new(stream::iter(frames)).boxed_unsync();
    let mut resigned = Resigned::new(Chunks::new(body, announced(3, &[]), None), chain("tenant"));
    assert_eq!(resigned.frame().await.unwrap().unwrap_err().to_string(), "reset");
}

#[tokio::test]
async fn tiny_chunks_take_turns_and_little_room() {
    let chunks: Vec<&[u8]> = vec![b"x"; 2_000];
    let sent = framed("client", &chunks, &[]);
    let mut resigned = Resigned::new(Chunks::new(body(&sent, 1 << 20), announced(2_000, &[]), Some(chain("client"))), chain("tenant"));
    let mut turns = 0;
    let first = std::future::poll_fn(|cx| {
        let polled = std::pin::Pin::new(&mut resigned).poll_frame(cx);
        turns += usize::from(polled.is_pending());
        polled
    })
    .await;
    assert!(turns >= 10, "{turns} turns for 2,000 chunks");
    assert!(first.unwrap().unwrap().into_data().unwrap().starts_with(b"7d0;chunk-signature="));
    let data = resigned.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(data, "x".repeat(2_000), "the data came in pieces, each of which keeps a buffer");
}

#[test]
fn the_headers_have_to_announce_the_body() {
    let read = |lines: &[(&'static str, &'static str)], trailer| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Announced::read(&headers, trailer).map_err(|r| r.reason)
    };
    let length = ("x-amz-decoded-content-length", "7");
    assert_eq!(read(&[length], false), Ok(announced(7, &[])));
    assert_eq!(
        read(&[length, ("x-amz-trailer", "X-Amz-Checksum-CRC32, x-amz-a")], true),
        Ok(announced(7, &["x-amz-checksum-crc32", "x-amz-a"]))
    );
    for (lines, trailer) in [
        (&[][..], false),
        (&[length, length], false),
        (&[("x-amz-decoded-content-length", "-1")], false),
        (&[("x-amz-decoded-content-length", "")], false),
        (&[("x-amz-decoded-content-length", "99999999999999999999")], false),
        (&[length], true),
        (&[length, ("x-amz-trailer", "")], true),
        (&[length, ("x-amz-trailer", "a b")], true),
        (&[length, ("x-amz-trailer", "x-amz-a,x-amz-a")], true),
        (&[length, ("x-amz-trailer", "x-amz-trailer-signature")], true),
        (&[length, ("x-amz-trailer", "a,b,c,d,e,f,g,h,i")], true),
    ] {
        assert_eq!(read(lines, trailer), Err(Reason::PayloadMalformed), "{lines:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_panic_or_complete_a_forged_body(bytes in prop::collection::vec(any::<u8>(), 0..400), step in 1_usize..50) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (out, reason) = runtime.block_on(resign(&bytes, step, announced(10, &[]), Some("client")));
        prop_assert!(reason.is_some() && !is_complete(&out));
    }
}
