//! Staff and lead sources of the Connector's, as far as was agreed (C-09, C-11, C-17 to C-19, C-23).
//!
//! Staff are never created, in any direction (P-07). The lead sources it defines with us, and whoever of ours it
//! names, are not listed here: whoever took note of them adds them. A source of ours gets an id there that follows
//! from its name, so that whoever creates it twice has created it once.

use super::xml::Element;
use super::{Connector, SYSTEM};
use crate::model::{Fingerprint, MatchKind, RecordId};
use crate::remote::exchange::failure;
use crate::remote::port::{Entry, MatchSupport, SourceUpdate};
use crate::remote::{Class, RemoteError, Sent};

impl Connector {
    /// What was agreed on `kind`.
    pub(super) fn support(&self, kind: MatchKind) -> MatchSupport {
        let agreed = self.agreed;
        match kind {
            MatchKind::Staff if agreed.owner => MatchSupport {
                list: agreed.receives || agreed.sends && agreed.list_staff,
                create: false,
                staff_by_email: agreed.sends && agreed.staff_by_email,
                told: agreed.receives,
                only_told: !(agreed.sends && (agreed.list_staff || agreed.staff_by_email)),
                ..MatchSupport::default()
            },
            MatchKind::LeadSource if agreed.source => MatchSupport {
                list: agreed.receives || agreed.sends && agreed.list_sources,
                create: agreed.sends && agreed.create_source,
                // A save is the whole source, so what is kept must be known first.
                update: SourceUpdate {
                    active: agreed.sends && agreed.list_sources && agreed.update_source,
                    because: "the Connector keeps the name that was saved first",
                    ..SourceUpdate::default()
                },
                told: agreed.receives,
                only_told: !(agreed.sends && agreed.list_sources),
                ..MatchSupport::default()
            },
            _ => MatchSupport::default(),
        }
    }

    /// Every entry of `kind` that the Connector lists, where it does.
    pub(super) async fn all_entries(&self, kind: MatchKind) -> Result<Vec<Entry>, RemoteError> {
        let agreed = self.agreed;
        let listed = match kind {
            MatchKind::Staff => agreed.list_staff,
            MatchKind::LeadSource => agreed.list_sources,
        };
        match agreed.sends && listed {
            true => self.wire.list(resource(kind), &entry_of(kind)).await,
            false => Ok(Vec::new()),
        }
    }

    /// The people with this address; nobody is an empty answer.
    pub(super) async fn staff_with(&self, email: &str) -> Result<Vec<Entry>, RemoteError> {
        if !self.support(MatchKind::Staff).staff_by_email {
            return Err(failure(SYSTEM, "find staff", Class::Unsupported, Sent::No, "this call was not agreed on"));
        }
        let found = self.wire.staff_by_email(email, &entry_of(MatchKind::Staff)).await?;
        let same =
            |entry: &Entry| entry.email.as_deref().is_some_and(|known| known.trim().eq_ignore_ascii_case(email.trim()));
        Ok(found.into_iter().filter(same).collect())
    }

    /// Creates a lead source: the same name is the same record, however often it is sent.
    pub(super) async fn new_source(&self, name: &str) -> Result<RecordId, RemoteError> {
        let action = "create a lead source";
        let name = name.trim();
        if !self.support(MatchKind::LeadSource).create {
            return Err(failure(SYSTEM, action, Class::Unsupported, Sent::No, "this call was not agreed on"));
        }
        if name.is_empty() {
            return Err(failure(SYSTEM, action, Class::Rejected, Sent::No, "a lead source needs a name"));
        }
        let folded = name.to_lowercase();
        let id = RecordId::from(format!("source-{}", Fingerprint::of_bytes(folded.as_bytes())));
        self.wire.save_source(action, &id, name, true).await?;
        Ok(id)
    }

    /// Hides a lead source, or shows it again, under the name it has there (P-09).
    pub(super) async fn show_source(&self, id: &RecordId, active: bool) -> Result<(), RemoteError> {
        let action = "update a lead source";
        let wrong = |class, why| Err(failure(SYSTEM, action, class, Sent::No, why));
        if !self.support(MatchKind::LeadSource).update.active {
            return wrong(Class::Unsupported, "this call was not agreed on");
        }
        let entries = self.wire.list(resource(MatchKind::LeadSource), &entry_of(MatchKind::LeadSource)).await?;
        let Some(known) = entries.into_iter().find(|entry| entry.id == *id) else {
            return wrong(Class::Missing, "there is no such lead source");
        };
        self.wire.save_source(action, id, &known.name, active).await.map(drop)
    }
}

fn resource(kind: MatchKind) -> &'static str {
    match kind {
        MatchKind::Staff => "staff",
        MatchKind::LeadSource => "leadsource",
    }
}

/// Reads one element of a list: its record id is ours of it, as a prospect carries it.
fn entry_of(kind: MatchKind) -> impl Fn(&Element) -> Option<Entry> {
    move |element| {
        let id = element.child("providerInfo")?.text_of("recordID").filter(|id| !id.is_empty())?;
        let text = |of: &Element, name: &str| of.text_of(name).unwrap_or_default().to_owned();
        let entry = match kind {
            MatchKind::LeadSource => {
                let info = element.child("leadInfo")?;
                Entry { id: id.into(), name: text(info, "name"), email: None, active: text(info, "active") != "false" }
            }
            MatchKind::Staff => {
                let info = element.child("userInfo")?;
                let name = format!("{} {}", text(info, "firstname"), text(info, "lastname"));
                Entry {
                    id: id.into(),
                    name: name.trim().to_owned(),
                    email: Some(text(info, "email")).filter(|email| !email.is_empty()),
                    active: text(info, "userStatus") != "INACTIVE",
                }
            }
        };
        Some(entry)
    }
}
