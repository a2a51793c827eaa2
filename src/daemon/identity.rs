//! Who is at the other end: Unix user id (from the kernel) → operator and role (from the configuration).
//!
//! Nothing a client says about itself is used.

use std::collections::BTreeMap;

use crate::config::{Config, Operator};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Actor, Role};

/// Everybody the daemon knows.
#[derive(Clone, Debug)]
pub struct Roster {
    operators: BTreeMap<String, Operator>,
    default_role: Option<Role>,
    owner: u32,
}

impl Roster {
    /// The people of a configuration; the user who runs this process is admin unless named in it.
    pub fn new(config: &Config) -> Self {
        Self::of(config.operators.clone(), config.default_role)
    }

    /// These people.
    pub fn of(operators: BTreeMap<String, Operator>, default_role: Option<Role>) -> Self {
        Self { operators, default_role, owner: uzers::get_effective_uid() }
    }

    /// The user who runs the daemon, as an operator: for a console in the same process.
    ///
    /// # Errors
    /// As [`Roster::identify`].
    pub fn own(&self) -> Result<Actor> {
        self.identify(self.owner)
    }

    /// The operator behind a peer's user id.
    ///
    /// # Errors
    /// [`ErrorKind::Permission`] for someone unknown when there is no default role.
    pub fn identify(&self, uid: u32) -> Result<Actor> {
        let login = uzers::get_user_by_uid(uid).map(|user| user.name().to_string_lossy().into_owned());
        self.identify_as(uid, login.as_deref())
    }

    fn identify_as(&self, uid: u32, login: Option<&str>) -> Result<Actor> {
        // A user id is the stronger evidence, so it is looked for first.
        let by_uid = self.operators.iter().find(|(_, operator)| operator.uid == Some(uid));
        let found = by_uid.or_else(|| {
            self.operators.iter().find(|(_, operator)| operator.login.is_some() && operator.login.as_deref() == login)
        });
        if let Some((name, operator)) = found {
            return Ok(Actor { name: name.clone(), uid: Some(uid), role: operator.role });
        }
        let role = if uid == self.owner { Some(Role::Admin) } else { self.default_role };
        let name = login.map_or_else(|| format!("uid-{uid}"), str::to_owned);
        match role {
            Some(role) => Ok(Actor { name, uid: Some(uid), role }),
            None => Err(Error::new(ErrorKind::Permission, format!("{name} (uid {uid}) is not an operator here"))
                .hint("ask an admin for an entry under [operators], or for a default_role")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_known_by_uid_then_login_then_default() {
        let operators = BTreeMap::from([
            ("ada".to_owned(), Operator { uid: Some(7), login: None, role: Role::Force }),
            ("ben".to_owned(), Operator { uid: None, login: Some("ben".to_owned()), role: Role::Triage }),
        ]);
        let mut roster = Roster { operators, default_role: None, owner: 500 };
        let who = |roster: &Roster, uid, login| roster.identify_as(uid, login).map(|actor| (actor.name, actor.role));
        assert_eq!(who(&roster, 7, Some("ben")).unwrap(), ("ada".to_owned(), Role::Force));
        assert_eq!(who(&roster, 8, Some("ben")).unwrap(), ("ben".to_owned(), Role::Triage));
        assert_eq!(who(&roster, 500, None).unwrap(), ("uid-500".to_owned(), Role::Admin));
        assert_eq!(who(&roster, 9, None).unwrap_err().kind, ErrorKind::Permission);
        roster.default_role = Some(Role::Viewer);
        assert_eq!(who(&roster, 9, Some("eve")).unwrap(), ("eve".to_owned(), Role::Viewer));
        roster.operators.insert("me".to_owned(), Operator { uid: Some(500), login: None, role: Role::Viewer });
        assert_eq!(who(&roster, 500, None).unwrap(), ("me".to_owned(), Role::Viewer), "named owners are not admin");
    }
}
