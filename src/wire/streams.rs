//! Streams: what other systems post to us, or are posted by us, as consoles see it.
//!
//! Types only, like the rest of the wire. A secret is never part of an answer: how a sender proves who they
//! are is told, with what is not.

use serde::{Deserialize, Serialize};

use crate::model::{AccessCheck, Health, ModuleId, Rhythm, StreamId, StreamState, Timestamp};

/// How the sender of a stream proves who they are (S-19).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::EnumString, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum StreamAuth {
    /// Not at all.
    None,
    /// HTTP Basic.
    Basic,
    /// A header with a key in it.
    ApiKey,
}

/// One stream of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRow {
    /// Which.
    pub id: StreamId,
    /// Whose and what, for people: `S-360 contacts`. The institution is in `id`.
    pub title: String,
    /// Others post to us; else we post to them.
    pub inbound: bool,
    /// How the sender proves who they are.
    pub auth: StreamAuth,
    /// How many secrets are valid: two while they are being changed.
    pub secrets: u32,
    /// Where posts come in, as a path of `[inbound]`, or the address they go to.
    pub place: String,
    /// Whether its system can be asked, too: connection test and reconciliation need it.
    pub operator: bool,
    /// Whether nothing is taken over before someone has said from when on (S-28).
    pub needs_first_sync: bool,
    /// The modules its records belong to, those that are on.
    pub modules: Vec<ModuleId>,
    /// When and how much its sender posts; absent where each change comes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rhythm: Option<Rhythm>,
    /// How it is doing.
    pub state: StreamState,
    /// What that means now.
    pub health: Health,
    /// Records that are set aside now.
    pub aside: u64,
    /// Posts that wait for their turn.
    #[serde(default)]
    pub pending: u64,
    /// Posts that were tried and not answered 200 yet.
    #[serde(default)]
    pub unfinished: u64,
    /// Posts that were given up.
    #[serde(default)]
    pub dead: u64,
    /// A reconciliation that runs: records looked at, and how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciling: Option<(u64, u64)>,
}

impl StreamRow {
    /// Whether anybody who reaches the address is believed.
    pub fn is_unprotected(&self) -> bool {
        self.inbound && self.auth == StreamAuth::None
    }

    /// The words for what it needs, the most urgent first; `ok` when nothing.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut say = |when: bool, word: &str| when.then(|| words.push(word.to_owned()));
        say(self.health.possible_loss, "possible loss");
        say(self.is_unprotected(), "UNPROTECTED");
        say(self.health.waits_for_first_sync, "first-sync date missing");
        let refused = if self.inbound { self.state.refused_since } else { 0 };
        let counted =
            [(self.dead, "dead"), (refused, "refused"), (self.aside, "set aside"), (self.unfinished, "unanswered")];
        for (count, word) in counted {
            say(count > 0, &format!("{count} {word}"));
        }
        say(self.health.silent, "quiet?");
        say(self.health.backlog_likely, "backlog likely");
        if words.is_empty() {
            words.push("ok".to_owned());
        }
        words
    }

    /// What each word means and what to do about it: a sentence each, in the order of [`words`](Self::words).
    pub fn explained(&self) -> Vec<String> {
        let mut told = Vec::new();
        if self.health.possible_loss {
            told.push(match (self.inbound, self.operator) {
                (true, true) => {
                    "We could not take posts for longer than the sender goes on trying, so records may be \
                                 lost. Reconcile reads again what we know; ask the sender for the rest, then settle."
                }
                (true, false) => {
                    "We could not take posts for longer than the sender goes on trying, so records may \
                                  be lost. Ask the sender to send that time again, then settle."
                }
                (false, _) => "Posts may have been lost. Compare with the receiver, then settle.",
            });
        }
        if self.is_unprotected() {
            told.push("Whoever reaches the address is believed: there is no authentication.");
        }
        if self.health.waits_for_first_sync {
            told.push(match self.state.tested_at {
                Some(_) => "Nothing is taken over before someone has said from which day on records take part.",
                None => "Nothing is taken over yet: test the connection, then say from which day on records take part.",
            });
        }
        if self.dead > 0 {
            told.push("Posts were tried as often as agreed and given up. Revive or drop each.");
        }
        if self.inbound && self.state.refused_since > 0 {
            told.push(
                "Posts were refused, and none was taken since. The last error says why: have the sender mend it, \
                 before it gives up.",
            );
        }
        if self.aside > 0 {
            told.push("Records came that could not be taken. Look at each: try it again, or dismiss it.");
        }
        if self.unfinished > 0 {
            told.push("Posts were not answered 200. They go again at the next run.");
        }
        if self.health.silent {
            told.push("Nothing came for more than two runs, though something used to: it is quiet there, or broken.");
        }
        if self.health.backlog_likely {
            told.push("The last run was as large as a run may be: more is waiting at the sender's.");
        }
        if told.is_empty() {
            told.push(match (self.state.last_at, self.inbound) {
                (None, true) => "Nothing has come yet.",
                (None, false) => "Nothing was posted yet.",
                _ => "Nothing to do.",
            });
        }
        told.into_iter().map(str::to_owned).collect()
    }
}

/// One record that was set aside, or one post that is dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamItem {
    /// Its number in the stream.
    pub number: u64,
    /// Its place in the batch, from 0; absent for a post.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// When it came, or was given up.
    pub at: Timestamp,
    /// The id it claims. Remote text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is wrong: one sentence of ours.
    pub why: String,
    /// Bytes of the whole body.
    pub bytes: u64,
    /// The start of the body. Remote text, personal data.
    pub body: String,
}

/// A window of what is set aside or dead, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamItems {
    /// The rows.
    pub items: Vec<StreamItem>,
    /// Whether there are more after the last.
    #[serde(default)]
    pub more: bool,
}

/// Which checks at gates: newest first, by when they were first told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessQuery {
    /// Only this institution's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub institution: Option<String>,
    /// Only those that were first told since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Beyond this place: [`AccessChecks::more`] of the window before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// How many at most.
    pub limit: u32,
}

/// A window of checks at gates. There may be more although it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessChecks {
    /// The rows, newest first. Remote text.
    pub checks: Vec<AccessCheck>,
    /// Where it goes on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<String>,
}

/// What can be done about a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum StreamVerb {
    /// Take a record that was set aside as if it came now.
    Retry {
        /// Which.
        number: u64,
    },
    /// Throw a record away that was set aside.
    Dismiss {
        /// Which.
        number: u64,
    },
    /// From when on records take part (S-28, S-29).
    FirstSync {
        /// `2026-01-31`, as it was entered.
        date: String,
        /// IANA name of the zone whose day is meant.
        zone: String,
    },
    /// Test the connection.
    Test,
    /// Read again every record of the stream that we know (S-17).
    Reconcile,
    /// A possible loss was dealt with.
    LossSettled,
    /// Read what is on the shelf, or post what waits, now.
    RunNow,
    /// Post a dead post again.
    Revive {
        /// Which.
        number: u64,
    },
    /// Throw a dead post away.
    Drop {
        /// Which.
        number: u64,
    },
}
