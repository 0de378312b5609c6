//! Reading signed chunks.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use aws_lc_rs::digest;
use bytes::{Buf, Bytes};
use http_body::Body as _;
use subtle::ConstantTimeEq;

use super::{Announced, SIGNATURE_EXTENSION, TRAILER_SIGNATURE, checksum_length};
use crate::{
    body::{Body, BoxError},
    reject::Reason,
    signing::PayloadError,
    sigv4::{Chain, hex, is_hex_digest, sha256_hex},
};

/// Longest line between chunks: a size of 16 digits, and the signature.
const MAX_CHUNK_LINE: usize = 16 + SIGNATURE_EXTENSION.len() + 64;
/// Longest trailer line: a checksum is far below.
const MAX_TRAILER_LINE: usize = 1024;

/// A body of signed chunks, being read.
pub(in crate::signing) struct Chunks {
    body: Body,
    announced: Announced,
    /// Where the keys are ours: continues the client's own signatures. Otherwise only their form is checked.
    client: Option<Chain>,
    /// What of the last frame is not read yet.
    input: Bytes,
    /// A line that is not complete yet.
    line: Vec<u8>,
    state: State,
    /// Bytes of data so far.
    read: u64,
    /// The chunk being read: its hash so far, and the signature that it claims. Idle without `client`.
    chunk: Option<(digest::Context, String)>,
    trailers: Vec<(String, String)>,
}

/// What comes out.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::signing) enum Piece {
    /// Bytes of data, never empty.
    Data(Bytes),
    /// Everything is read and checked; the trailers, lower-case names in the order sent.
    End(Vec<(String, String)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At a chunk's size.
    Size,
    /// Inside a chunk's data.
    Data { left: u64 },
    /// At the line end behind a chunk's data.
    DataEnd,
    /// At the empty line behind the last chunk.
    End,
    /// Behind the last chunk, where trailers follow.
    Trailers {
        /// Whether the empty line that some clients send before the signature has been there.
        blank: bool,
    },
    /// Nothing may follow.
    Over,
    /// Said so.
    Told,
}

impl Chunks {
    pub(in crate::signing) fn new(body: Body, announced: Announced, client: Option<Chain>) -> Self {
        Self {
            body,
            announced,
            client,
            input: Bytes::new(),
            line: Vec::new(),
            state: State::Size,
            read: 0,
            chunk: None,
            trailers: Vec::new(),
        }
    }

    pub(in crate::signing) fn announced(&self) -> &Announced {
        &self.announced
    }

    /// The next piece. After [`Piece::End`] or an error there is none.
    pub(in crate::signing) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, BoxError>>> {
        loop {
            match self.step() {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(piece))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(self.fail(error.into())))),
            }
            if self.state == State::Told {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => self.input = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(self.fail(error)))),
                None if self.state == State::Over => {
                    self.state = State::Told;
                    return Poll::Ready(Some(Ok(Piece::End(std::mem::take(&mut self.trailers)))));
                }
                None => return Poll::Ready(Some(Err(self.fail(MALFORMED.into())))),
            }
        }
    }

    fn fail(&mut self, error: BoxError) -> BoxError {
        self.state = State::Told;
        self.input.clear();
        error
    }

    /// Works on the input; `None` when more is needed.
    fn step(&mut self) -> Result<Option<Piece>, PayloadError> {
        while !self.input.is_empty() {
            match self.state {
                State::Size => {
                    if let Some(line) = self.take_line(MAX_CHUNK_LINE, LineEnd::Crlf)? {
                        self.begin_chunk(&line)?;
                    }
                }
                State::Data { left } => {
                    let take = usize::try_from(left).map_or(self.input.len(), |left| left.min(self.input.len()));
                    let data = self.input.split_to(take);
                    let left = left - take as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data { left } };
                    if let Some((hasher, _)) = &mut self.chunk {
                        hasher.update(&data);
                    }
                    return Ok(Some(Piece::Data(data)));
                }
                State::DataEnd => {
                    if self.take_line(0, LineEnd::Crlf)?.is_some() {
                        self.end_chunk()?;
                        self.state = State::Size;
                    }
                }
                State::End => {
                    if self.take_line(0, LineEnd::Crlf)?.is_some() {
                        self.state = State::Over;
                    }
                }
                State::Trailers { blank } => {
                    // The S3 API reference ends a trailer with `\n`, SDKs with `\r\n`.
                    if let Some(line) = self.take_line(MAX_TRAILER_LINE, LineEnd::Either)? {
                        self.trailer(&line, blank)?;
                    }
                }
                State::Over | State::Told => return Err(MALFORMED),
            }
        }
        Ok(None)
    }

    /// A line of at most `limit` bytes without its end; `None` when it is not all there.
    fn take_line(&mut self, limit: usize, ends: LineEnd) -> Result<Option<String>, PayloadError> {
        let end = self.input.iter().position(|b| *b == b'\n');
        let length = end.unwrap_or(self.input.len());
        // One more for the carriage return.
        if self.line.len() + length > limit + 1 {
            return Err(MALFORMED);
        }
        self.line.extend_from_slice(&self.input[..length]);
        let Some(end) = end else {
            self.input.clear();
            return Ok(None);
        };
        self.input.advance(end + 1);
        let mut line = std::mem::take(&mut self.line);
        match line.last() {
            Some(b'\r') => drop(line.pop()),
            _ if ends == LineEnd::Either => {}
            _ => return Err(MALFORMED),
        }
        String::from_utf8(line).map(Some).map_err(|_| MALFORMED)
    }

    /// `<size in hex>;chunk-signature=<64 hex digits>`
    fn begin_chunk(&mut self, line: &str) -> Result<(), PayloadError> {
        let (size, signature) = line.split_once(SIGNATURE_EXTENSION).ok_or(MALFORMED)?;
        let is_size = (1..=16).contains(&size.len()) && size.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_size || !is_hex_digest(signature) {
            return Err(MALFORMED);
        }
        let size = u64::from_str_radix(size, 16).map_err(|_| MALFORMED)?;
        if self.announced.decoded - self.read < size {
            return Err(MALFORMED);
        }
        self.read += size;
        if self.client.is_some() {
            self.chunk = Some((digest::Context::new(&digest::SHA256), signature.to_owned()));
        }
        if size > 0 {
            self.state = State::Data { left: size };
            return Ok(());
        }
        if self.read != self.announced.decoded {
            return Err(MALFORMED);
        }
        self.end_chunk()?;
        self.state = if self.announced.has_trailer { State::Trailers { blank: false } } else { State::End };
        Ok(())
    }

    fn end_chunk(&mut self) -> Result<(), PayloadError> {
        let (Some(chain), Some((hasher, claimed))) = (&mut self.client, self.chunk.take()) else { return Ok(()) };
        agree(chain.chunk(&hex(hasher.finish().as_ref())), &claimed)
    }

    /// `name:value`, the signature of all of them, or the empty line behind.
    fn trailer(&mut self, line: &str, blank: bool) -> Result<(), PayloadError> {
        if line.is_empty() {
            let is_signed = self.trailers.last().is_some_and(|(name, _)| name == TRAILER_SIGNATURE);
            if !is_signed && !blank {
                self.state = State::Trailers { blank: true };
                return Ok(());
            }
            return self.end_trailers();
        }
        let (name, value) = line.split_once(':').ok_or(MALFORMED)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let is_visible = value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if value.is_empty() || !is_visible || self.trailers.iter().any(|(other, _)| *other == name || other == TRAILER_SIGNATURE) {
            return Err(MALFORMED);
        }
        self.trailers.push((name, value.to_owned()));
        if self.trailers.len() > self.announced.trailers.len() + 1 {
            return Err(MALFORMED);
        }
        Ok(())
    }

    fn end_trailers(&mut self) -> Result<(), PayloadError> {
        let Some((name, claimed)) = self.trailers.pop() else { return Err(MALFORMED) };
        let announced = self.trailers.iter().all(|(name, _)| self.announced.trailers.contains(name));
        if name != TRAILER_SIGNATURE || !is_hex_digest(&claimed) || !announced || self.trailers.len() != self.announced.trailers.len() {
            return Err(MALFORMED);
        }
        if let Some(chain) = &mut self.client {
            agree(chain.trailer(&sha256_hex(canonical(&self.trailers).as_bytes())), &claimed)?;
        }
        // The length of a checksum is promised before it comes.
        let fits = |(name, value): &(String, String)| checksum_length(name).is_none_or(|length| length == value.len() as u64);
        if !self.trailers.iter().all(fits) {
            return Err(MALFORMED);
        }
        self.state = State::Over;
        Ok(())
    }
}

/// How a line may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Crlf,
    Either,
}

const MALFORMED: PayloadError = PayloadError { reason: Reason::PayloadMalformed };

fn agree(computed: &str, claimed: &str) -> Result<(), PayloadError> {
    let same: bool = computed.as_bytes().ct_eq(claimed.as_bytes()).into();
    if same { Ok(()) } else { Err(PayloadError { reason: Reason::SignatureMismatch }) }
}

/// What of trailers is signed: lower-case names in order, trimmed values, a line each.
pub(super) fn canonical(trailers: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = trailers.iter().collect();
    sorted.sort_unstable();
    sorted.into_iter().map(|(name, value)| format!("{name}:{value}\n")).collect()
}
