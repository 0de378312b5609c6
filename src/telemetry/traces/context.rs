//! Where a request stands in a trace ([W3C Trace Context](https://www.w3.org/TR/trace-context/)).

use std::num::{NonZeroU64, NonZeroU128};

use http::{HeaderMap, HeaderName};

/// Names a trace and the span that is the parent of what comes.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The one flag that has a meaning here (section 3.2.2.5.1).
const SAMPLED: u8 = 1;

/// A trace: 128 bits, not all of them zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

/// A span within its trace: 64 bits, not all of them zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

/// A span, and what was decided about its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// All flags of the trace as they were stated.
    pub flags: u8,
}

impl TraceId {
    /// The id that `text` is, in 32 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bits = is_hex(text, 32).then(|| u128::from_str_radix(text, 16).ok())??;
        NonZeroU128::new(bits).map(Self)
    }

    /// A new one. Without randomness, which other parts refuse to work without, ids are merely all the same.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        let _ = getrandom::fill(&mut bytes);
        Self(NonZeroU128::new(u128::from_be_bytes(bytes)).unwrap_or(NonZeroU128::MIN))
    }

    /// As OTLP has it.
    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }
}

impl SpanId {
    /// A new one; as [`TraceId::random`].
    pub fn random() -> Self {
        let mut bytes = [0; 8];
        let _ = getrandom::fill(&mut bytes);
        Self(NonZeroU64::new(u64::from_be_bytes(bytes)).unwrap_or(NonZeroU64::MIN))
    }

    /// As OTLP has it.
    pub(super) fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl SpanContext {
    /// What `headers` say. `None` where they say nothing, several things, or something in a form that is none.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
        Self::parse(parent.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let (head, rest) = text.split_at_checked(55)?;
        let mut parts = head.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may append, and are read as far as ours goes (section 3.2.4).
        let ends = rest.is_empty() || (version != "00" && rest.starts_with('-'));
        if !is_hex(version, 2) || version == "ff" || !is_hex(span, 16) || !is_hex(flags, 2) || !ends || parts.next().is_some() {
            return None;
        }
        let span = NonZeroU64::new(u64::from_str_radix(span, 16).ok()?).map(SpanId)?;
        Some(Self { trace: TraceId::parse(trace)?, span, flags: u8::from_str_radix(flags, 16).ok()? })
    }

    /// The value of `traceparent` that says it.
    pub fn header(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace.0, self.span.0, self.flags)
    }

    /// Whether the trace is recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Flags of a trace about which that much was decided.
    pub fn flags(is_sampled: bool) -> u8 {
        u8::from(is_sampled) * SAMPLED
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
}
