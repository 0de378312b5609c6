//! Spans in OTLP's protocol buffers: [trace.proto](https://github.com/open-telemetry/opentelemetry-proto/blob/v1.8.0/opentelemetry/proto/trace/v1/trace.proto)
//! and what it imports.
//!
//! A dozen messages, write-only, whose field numbers never change ([protocol buffers encoding](https://protobuf.dev/programming-guides/encoding/)): that needs no
//! generated code, and a generator's crates would outweigh it many times. That it is right is for readers of others to say: the client tests take
//! every span apart with the classes that OpenTelemetry publishes.

use bytes::Bytes;

use super::{
    context::{SpanContext, TraceId},
    span::{Attribute, Event, Kind, Link, Span, Value},
};

/// Wire types.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;
const FIXED32: u32 = 5;

/// What a span takes in a request beside itself, at most: a key and a length.
pub(super) const ROOM: usize = 6;

/// What the spans of this process have in common, encoded once.
#[derive(Debug)]
pub(super) struct Resource(Vec<u8>);

impl Resource {
    /// These attributes.
    pub(super) fn new<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut out = Writer::default();
        for (key, value) in attributes {
            out.message(1, |out| {
                out.text(1, key);
                out.message(2, |out| out.text(1, value));
            });
        }
        Self(out.0)
    }
}

/// One span, as it stands in a request.
pub(super) fn one(trace: TraceId, span: &Span) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(512));
    self::span(&mut out, trace, span);
    out.0
}

/// An `ExportTraceServiceRequest` of spans that are encoded already.
pub(super) fn request(resource: &Resource, spans: &[Vec<u8>]) -> Bytes {
    let mut out = Writer(Vec::with_capacity(spans.iter().map(|span| span.len() + ROOM).sum::<usize>() + resource.0.len() + 128));
    out.message(1, |out| {
        out.bytes(1, &resource.0);
        out.message(2, |out| {
            out.message(1, |out| {
                out.text(1, "palisade");
                out.text(2, crate::VERSION);
            });
            for span in spans {
                out.bytes(2, span);
            }
        });
    });
    out.0.into()
}

fn span(out: &mut Writer, trace: TraceId, span: &Span) {
    out.bytes(1, &trace.to_bytes());
    out.bytes(2, &span.id.to_bytes());
    if let Some(parent) = span.parent {
        out.bytes(4, &parent.to_bytes());
    }
    out.text(5, &span.name);
    out.number(
        6,
        match span.kind {
            Kind::Internal => 1,
            Kind::Server => 2,
            Kind::Client => 3,
        },
    );
    out.fixed64(7, span.began);
    out.fixed64(8, span.ended);
    attributes(out, 9, &span.attributes);
    for Event { at, name, attributes } in &span.events {
        out.message(11, |out| {
            out.fixed64(1, *at);
            out.text(2, name);
            self::attributes(out, 3, attributes);
        });
    }
    for Link { to, relation } in &span.links {
        out.message(13, |out| {
            out.bytes(1, &to.trace.to_bytes());
            out.bytes(2, &to.span.to_bytes());
            attributes(out, 4, &[("palisade.link", (*relation).into())]);
            out.fixed32(6, to.flags.into());
        });
    }
    if span.is_error {
        out.message(15, |out| out.number(3, 2));
    }
    out.fixed32(16, SpanContext::flags(true).into());
}

fn attributes(out: &mut Writer, field: u32, attributes: &[Attribute]) {
    for (key, value) in attributes {
        out.message(field, |out| {
            out.text(1, key);
            out.message(2, |out| match value {
                Value::Text(text) => out.text(1, text),
                Value::Flag(flag) => out.number(2, u64::from(*flag)),
                // Negative numbers are their two's complement in ten bytes.
                Value::Number(number) => out.number(3, number.cast_unsigned()),
            });
        });
    }
}

/// How many spans an `ExportTraceServiceResponse` says were not taken; none where it says nothing, or nothing that can be read.
pub(super) fn rejected(response: &[u8]) -> u64 {
    field(response, 1, LENGTH).and_then(|(_, partial)| field(partial, 1, VARINT)).map_or(0, |(count, _)| count)
}

/// The first field of this number and type in a message: its number, or its bytes.
fn field(mut message: &[u8], wanted: u32, kind: u32) -> Option<(u64, &[u8])> {
    while !message.is_empty() {
        let key = take_varint(&mut message)?;
        let (number, found) = (key >> 3, (key & 7) as u32);
        let (value, bytes) = match found {
            VARINT => (take_varint(&mut message)?, &[][..]),
            FIXED64 => (0, take(&mut message, 8)?),
            LENGTH => {
                let length = usize::try_from(take_varint(&mut message)?).ok()?;
                (0, take(&mut message, length)?)
            }
            FIXED32 => (0, take(&mut message, 4)?),
            _ => return None,
        };
        if number == u64::from(wanted) && found == kind {
            return Some((value, bytes));
        }
    }
    None
}

fn take<'m>(message: &mut &'m [u8], length: usize) -> Option<&'m [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

fn take_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(message, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Writes fields.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn key(&mut self, field: u32, kind: u32) {
        self.varint(u64::from((field << 3) | kind));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u32, value: u64) {
        self.key(field, VARINT);
        self.varint(value);
    }

    fn fixed32(&mut self, field: u32, value: u32) {
        self.key(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn fixed64(&mut self, field: u32, value: u64) {
        self.key(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    /// A message inside, whose length stands before it.
    fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::traces::SpanId;

    #[test]
    fn numbers_are_written_as_the_standard_shows_them() {
        let mut out = Writer::default();
        out.number(1, 150);
        out.text(2, "testing");
        assert_eq!(out.0, [0x08, 0x96, 0x01, 0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]);
        let mut out = Writer::default();
        out.number(3, (-2_i64).cast_unsigned());
        assert_eq!(out.0, [0x18, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        out.fixed32(16, 1);
        assert_eq!(out.0[11..], [0x85, 0x01, 1, 0, 0, 0], "a field above 15 has a key of two bytes");
    }

    #[test]
    fn what_a_collector_does_not_take_is_read_out_of_its_answer() {
        let answer = |rejected: u64| {
            let mut out = Writer::default();
            out.fixed32(9, 7);
            out.message(1, |out| {
                out.text(2, "too many attributes");
                out.number(1, rejected);
            });
            out.0
        };
        assert_eq!((rejected(&answer(3)), rejected(&answer(300))), (3, 300));
        assert_eq!((rejected(&[]), rejected(&[0x0a, 0x00])), (0, 0));
        let whole = answer(300);
        for end in 0..whole.len() {
            assert_eq!(rejected(&whole[..end]), 0, "cut at {end}");
        }
        assert_eq!(rejected(&[0xff; 32]), 0);
        assert_eq!(rejected(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), 0, "a length beyond the end");
    }

    #[test]
    fn a_span_is_found_where_it_was_put() {
        let mut written = Span::new(SpanId::random(), Some(SpanId::random()), "n".into(), Kind::Client, 1);
        written.set("palisade.tenant", "acme");
        written.fail("upstream-timeout");
        let trace = TraceId::random();
        let message = request(&Resource::new([("service.name", "palisade")]), &[one(trace, &written)]);
        let inner = |message: &[u8], number| field(message, number, LENGTH).map(|(_, bytes)| bytes.to_vec()).unwrap();
        let resource_spans = inner(&message, 1);
        assert!(inner(&resource_spans, 1).windows(12).any(|text| text == b"service.name"));
        let span = inner(&inner(&resource_spans, 2), 2);
        assert_eq!((inner(&span, 1), inner(&span, 2)), (trace.to_bytes().to_vec(), written.id.to_bytes().to_vec()));
        assert_eq!(inner(&span, 4), written.parent.unwrap().to_bytes());
        assert_eq!(field(&span, 6, VARINT).unwrap().0, 3);
        assert_eq!(field(&inner(&span, 15), 3, VARINT).unwrap().0, 2);
    }
}
