//! Staff and lead sources as the Connector looks them up and defines them here (C-09 to C-12, C-18, C-19, P-06 to
//! P-09). The lists are the origin's own; a source it defines becomes one of its side of the match table, and the
//! engine makes it in the origin where it may.

use bytes::Bytes;

use super::answer::{Refusal, clean, our_id};
use super::{Desk, LONGEST_ID, Outcome};
use crate::model::matching::Entry;
use crate::model::{MatchKind, RecordId, Side, StreamKind};
use crate::remote::connector::xml::Element;
use crate::store::{Reads as _, Tx};
use crate::sync::{define_source, tell_entry};

/// Longest name of a lead source, in bytes: no system has longer ones.
const LONGEST_NAME: usize = 500;

impl Desk {
    /// All staff, or those with an address. Who has none is listed, and cannot be matched (P-06).
    pub(super) async fn staff(&self, email: Option<&str>) -> Outcome {
        let offered = match email {
            Some(_) => self.terms.staff_by_email,
            None => self.terms.list_staff,
        };
        if self.terms.elements.owner.is_none() || !offered {
            return Err(Refusal::not_offered("staff are not offered this way"));
        }
        let folded = |email: &str| email.trim().to_ascii_lowercase();
        let wanted = email.map(folded);
        if wanted.as_deref() == Some("") {
            return Err(Refusal::validation("email is empty"));
        }
        let staff = self.entries(MatchKind::Staff).await?;
        let found = staff.iter().filter(|one| match &wanted {
            Some(wanted) => one.email.as_deref().is_some_and(|email| folded(email) == *wanted),
            None => true,
        });
        let rows = found.map(|one| {
            let (first, last) = one.name.trim().rsplit_once(' ').unwrap_or(("", one.name.trim()));
            let leaf = |name: &str, text: &str| Element::leaf(name, clean(text));
            Element::parent(
                "staff",
                [
                    leaf("id", one.id.as_str()),
                    leaf("firstname", first),
                    leaf("lastname", last),
                    leaf("email", one.email.as_deref().unwrap_or_default()),
                    active(one.active),
                ],
            )
        });
        Ok(Element::parent("staffList", rows))
    }

    /// All lead sources.
    pub(super) async fn sources(&self) -> Outcome {
        if self.terms.elements.source.is_none() || !self.terms.list_sources {
            return Err(Refusal::not_offered("lead sources are not listed"));
        }
        let sources = self.entries(MatchKind::LeadSource).await?;
        let rows = sources.iter().map(|one| {
            let leaves = [Element::leaf("id", clean(one.id.as_str())), Element::leaf("name", clean(&one.name))];
            Element::parent("leadSource", leaves.into_iter().chain([active(one.active)]))
        });
        Ok(Element::parent("leadSources", rows))
    }

    /// A lead source the Connector defines here: our id of it, the same however often it comes.
    pub(super) async fn define(&self, body: Bytes) -> Outcome {
        if self.terms.elements.source.is_none() || !self.terms.create_source {
            return Err(Refusal::not_offered("lead sources are not created here"));
        }
        let (key, name, active) = self.read_source(&body)?;
        let (stream, now) = (self.stream(StreamKind::ConnectorSources), self.clock.now());
        let write = move |tx: &mut Tx<'_>| {
            let id = define_source(tx, Side::Crm, &key, &name, active, now)?;
            taken(tx, &stream, now)?;
            Ok(id)
        };
        let id = self.engine.store().write(write).await?;
        // Made in the origin as soon as may be; the table says how that went.
        if active && self.engine.ensure_source(Side::Crm, id.clone()).await.is_err() {
            tracing::error!("a lead source could not be asked for");
        }
        Ok(our_id(id.as_str()))
    }

    /// Name and whether it is shown, of a source that is known. Neither is ever pushed to the origin (P-09).
    pub(super) async fn update_source(&self, id: String, body: Bytes) -> Outcome {
        if self.terms.elements.source.is_none() || !self.terms.update_source {
            return Err(Refusal::not_offered("lead sources are not updated here"));
        }
        let (_, name, active) = self.read_source(&body)?;
        if id.is_empty() || id.len() > LONGEST_ID {
            return Err(Refusal::unknown("there is no such lead source"));
        }
        let id = RecordId::from(id);
        let (stream, now) = (self.stream(StreamKind::ConnectorSources), self.clock.now());
        let write = move |tx: &mut Tx<'_>| {
            let kind = MatchKind::LeadSource;
            let there = match tx.match_row(kind, Side::Crm, &id)? {
                Some(row) => Some(row.id),
                None => tx.match_row(kind, Side::Ivvy, &id)?.map(|row| row.other.unwrap_or(row.id)),
            };
            let Some(there) = there else { return Ok(None) };
            tell_entry(tx, kind, Side::Crm, &Entry { id: there, name: name.clone(), email: None, active }, now)?;
            taken(tx, &stream, now)?;
            Ok(Some(id.clone()))
        };
        let id = self.engine.store().write(write).await?;
        id.map(|id| our_id(id.as_str())).ok_or_else(|| Refusal::unknown("there is no such lead source"))
    }

    /// The sender's name of a source, its name, and whether it is shown.
    fn read_source(&self, body: &[u8]) -> Result<(String, String, bool), Refusal> {
        let (source, named) = self.document(body, "leadSource")?;
        let info = source.child("leadInfo").ok_or_else(|| Refusal::validation("<leadInfo> is missing"))?;
        let name = info.text_of("name").unwrap_or_default();
        if name.is_empty() || name.len() > LONGEST_NAME {
            return Err(Refusal::validation("<name> is missing, empty or too long"));
        }
        let active = match info.text_of("active") {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => return Err(Refusal::validation("<active> is neither true nor false")),
        };
        Ok((named.key(), name.to_owned(), active))
    }

    /// What the origin lists; what is known of it where it cannot be asked.
    async fn entries(&self, kind: MatchKind) -> Result<Vec<Entry>, Refusal> {
        let listed = self.engine.listed(kind, Side::Ivvy).await?;
        listed.ok_or_else(|| Refusal::later("the list cannot be had at the moment"))
    }
}

fn active(active: bool) -> Element {
    Element::leaf("active", if active { "true" } else { "false" })
}

fn taken(
    tx: &mut Tx<'_>,
    stream: &crate::model::StreamId,
    now: crate::model::Timestamp,
) -> Result<(), crate::store::StoreError> {
    let mut state = tx.stream(stream)?;
    (state.payloads, state.records) = (state.payloads + 1, state.records + 1);
    state.went_through(now);
    tx.put_stream(stream, &state)
}
