//! Frames on a byte stream: one JSON object per line, bounded by [`MAX_FRAME`].
//!
//! The codec trusts neither end. A line that is too long or not UTF-8 ends the conversation, because
//! what follows cannot be told apart; a line that is not a frame is reported with whatever can be
//! read of it (its number, the name of the request), so that the answer can say what was wrong.
//! Error texts never repeat content.

use futures::{SinkExt as _, StreamExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec, LinesCodecError};

use super::{Call, MAX_FRAME};

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME`]. Nothing of it was kept.
    #[error("a frame longer than {MAX_FRAME} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("a frame that is not UTF-8 text")]
    NotText,
    /// Not JSON, or not the JSON of a frame.
    #[error("a frame that cannot be read (column {column})")]
    Malformed {
        /// The call's number, if it could be read.
        id: Option<u64>,
        /// Where reading stopped, in bytes from 1.
        column: usize,
    },
    /// A request this version does not know.
    #[error("an unknown request `{ask}`")]
    UnknownRequest {
        /// The call's number.
        id: Option<u64>,
        /// What was asked, cut to a printable name.
        ask: String,
    },
    /// The stream broke.
    #[error("the connection broke")]
    Io(#[from] std::io::Error),
}

impl FrameError {
    /// Whether reading can go on with the next line.
    pub fn is_recoverable(&self) -> bool {
        matches!(self, Self::Malformed { .. } | Self::UnknownRequest { .. })
    }

    /// The number of the call it belongs to, as far as known.
    pub fn call_id(&self) -> Option<u64> {
        match self {
            Self::Malformed { id, .. } | Self::UnknownRequest { id, .. } => *id,
            _ => None,
        }
    }
}

impl From<LinesCodecError> for FrameError {
    fn from(error: LinesCodecError) -> Self {
        match error {
            LinesCodecError::MaxLineLengthExceeded => Self::TooLong,
            // The lines codec reports bad UTF-8 this way; a socket never does.
            LinesCodecError::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => Self::NotText,
            LinesCodecError::Io(io) => Self::Io(io),
        }
    }
}

/// Reads lines.
#[derive(Debug)]
pub struct FrameReader<R>(FramedRead<R, LinesCodec>);

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Over the reading half of a stream.
    pub fn new(stream: R) -> Self {
        Self(FramedRead::new(stream, LinesCodec::new_with_max_length(MAX_FRAME)))
    }

    /// The next line; `None` at the end. Cancel-safe: a half-read line stays buffered.
    pub async fn line(&mut self) -> Option<Result<String, FrameError>> {
        Some(self.0.next().await?.map_err(FrameError::from))
    }

    /// The next frame; `None` at the end. Cancel-safe.
    pub async fn frame<T: DeserializeOwned>(&mut self) -> Option<Result<T, FrameError>> {
        Some(self.line().await?.and_then(|line| {
            serde_json::from_str(&line).map_err(|error| FrameError::Malformed { id: None, column: error.column() })
        }))
    }
}

/// Writes lines.
#[derive(Debug)]
pub struct FrameWriter<W>(FramedWrite<W, LinesCodec>);

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// Over the writing half of a stream.
    pub fn new(stream: W) -> Self {
        Self(FramedWrite::new(stream, LinesCodec::new_with_max_length(MAX_FRAME)))
    }

    /// Writes one encoded frame and flushes it.
    pub async fn line(&mut self, line: String) -> Result<(), FrameError> {
        Ok(self.0.send(line).await?)
    }

    /// Writes one frame and flushes it.
    pub async fn frame<T: Serialize>(&mut self, frame: &T) -> Result<(), FrameError> {
        self.line(encode(frame)?).await
    }
}

/// A frame as one line, without the line's end.
///
/// # Errors
/// [`FrameError::TooLong`] when the other end would refuse it.
pub fn encode<T: Serialize>(frame: &T) -> Result<String, FrameError> {
    let line = serde_json::to_string(frame).map_err(|_| FrameError::Malformed { id: None, column: 0 })?;
    if line.len() >= MAX_FRAME { Err(FrameError::TooLong) } else { Ok(line) }
}

/// Reads a call; on failure reports as much of it as could be made out.
pub fn decode_call(line: &str) -> Result<Call, FrameError> {
    serde_json::from_str::<Call>(line).map_err(|error| {
        let loose = serde_json::from_str::<serde_json::Value>(line).unwrap_or_default();
        let id = loose.get("id").and_then(serde_json::Value::as_u64);
        match loose.get("ask").and_then(serde_json::Value::as_str) {
            Some(ask) if !is_known(ask) => {
                FrameError::UnknownRequest { id, ask: ask.chars().filter(char::is_ascii_graphic).take(40).collect() }
            }
            _ => FrameError::Malformed { id, column: error.column() },
        }
    })
}

/// Whether this version has a request of that name: serde complains about its name only if not.
fn is_known(ask: &str) -> bool {
    match serde_json::from_value::<super::Request>(serde_json::json!({ "ask": ask })) {
        Ok(_) => true,
        Err(error) => !error.to_string().starts_with("unknown variant"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Fingerprint, ItemId};
    use crate::wire::{AccessQuery, Request};

    #[tokio::test]
    async fn every_request_survives_the_wire() {
        use crate::model::{ModuleId, Verb};
        use crate::wire::{AuditQuery, Decide, PageQuery};
        let module = ModuleId::Contacts;
        let decide = Decide {
            item: ItemId(3),
            ver: Some(2),
            seen: None,
            verb: Verb::Approve,
            choices: std::collections::BTreeMap::new(),
            side: None,
            until: None,
            record: None,
            reason: Some("two\nlines".to_owned()),
        };
        let requests = [
            Request::Status,
            Request::Page(PageQuery { filter: Default::default(), anchor: Default::default(), limit: 10 }),
            Request::Item { id: ItemId(3) },
            Request::Decide(decide.clone()),
            Request::DecideMany { decisions: vec![decide] },
            Request::Audit(AuditQuery { limit: 5, ..AuditQuery::default() }),
            Request::AuditVerify,
            Request::Module { module, before: Some(9), limit: 50 },
            Request::Sync { module: None, full: true },
            Request::Pause { module: Some(module) },
            Request::Resume { module: None },
            Request::GuardPlan { module },
            Request::GuardRelease { module, sample: Some(5), expect: 9, plan: Some(Fingerprint::of(&9)), note: None },
            Request::GuardDiscard { module, expect: 9 },
            Request::AccessChecks(AccessQuery { limit: 5, before: Some("a".to_owned()), ..AccessQuery::default() }),
            Request::Check,
            Request::Doctor { rebuild: true },
            Request::Watch,
            Request::Shutdown,
        ];
        let (ours, theirs) = tokio::io::duplex(64);
        let sent = requests.clone();
        let writing = tokio::spawn(async move {
            let mut writer = FrameWriter::new(ours);
            for (id, request) in (100_u64..).zip(sent) {
                writer.frame(&Call { id, request }).await.unwrap();
            }
        });
        let mut reader = FrameReader::new(theirs);
        for (id, request) in (100_u64..).zip(requests) {
            let line = reader.line().await.unwrap().unwrap();
            assert_eq!(decode_call(&line).unwrap(), Call { id, request }, "{line}");
        }
        assert!(reader.line().await.is_none());
        writing.await.unwrap();
    }

    #[test]
    fn what_is_wrong_is_named() {
        let unknown = decode_call(r#"{"id":4,"ask":"make_coffee"}"#).unwrap_err();
        assert_eq!(unknown.to_string(), "an unknown request `make_coffee`");
        assert_eq!(unknown.call_id(), Some(4));
        let malformed = decode_call(r#"{"id":5,"ask":"item"}"#).unwrap_err();
        assert!(matches!(malformed, FrameError::Malformed { id: Some(5), .. }), "{malformed:?}");
        assert!(matches!(decode_call("hello").unwrap_err(), FrameError::Malformed { id: None, .. }));
        assert!(decode_call(r#"{"ask":"status"}"#).is_err(), "a call without a number");
    }

    #[tokio::test]
    async fn too_long_and_not_text_end_the_conversation() {
        let long = vec![b'x'; MAX_FRAME + 10];
        let error = FrameReader::new(&long[..]).line().await.unwrap().unwrap_err();
        assert!(matches!(error, FrameError::TooLong) && !error.is_recoverable());
        let error = FrameReader::new(&b"\xff\xfe\n"[..]).line().await.unwrap().unwrap_err();
        assert!(matches!(error, FrameError::NotText) && !error.is_recoverable());
        assert!(matches!(encode(&"x".repeat(MAX_FRAME)), Err(FrameError::TooLong)));
    }
}
