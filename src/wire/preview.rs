//! Long values part by part: which part of which value is asked for, and what comes back.
//!
//! Types only, like the rest of the wire.

use serde::{Deserialize, Serialize};

use crate::model::{ItemId, StreamId};

/// How a long value is looked at.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumIter,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PreviewAs {
    /// The text a reader of the page would see; the value itself where it is no HTML.
    #[default]
    Text,
    /// The source as it was received.
    Html,
    /// The web and mail addresses in it, one per line. None is ever opened.
    Links,
}

/// Which of a field's values.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumIter,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PreviewOf {
    /// iVvy's.
    Ivvy,
    /// The CRM's.
    Crm,
    /// What was last agreed.
    Base,
    /// What will be written.
    Result,
}

/// Which part of which value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewQuery {
    /// Of which item.
    pub item: ItemId,
    /// The field's name.
    pub field: String,
    /// Which of its values; the first there is when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<PreviewOf>,
    /// How.
    #[serde(default)]
    pub mode: PreviewAs,
    /// From which byte of the source on: 0, then [`Preview::next`].
    #[serde(default)]
    pub from: u64,
    /// Not a value of an item, but what a stream set aside or gave up; `item`, `field` and `of` mean nothing then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamPart>,
}

/// A record that a stream set aside, or a dead post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPart {
    /// Which stream.
    pub id: StreamId,
    /// Its number.
    pub number: u64,
}

/// A part of a value, at most 128 KiB. Hostile remote text, and personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Which value it is.
    pub of: PreviewOf,
    /// The item's version. Parts of different versions do not belong together.
    pub ver: u32,
    /// The part. May be empty although more follows.
    pub text: String,
    /// Bytes of the whole source.
    pub total_bytes: u64,
    /// Where the next part begins; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}
