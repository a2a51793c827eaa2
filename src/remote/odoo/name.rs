//! One `name` in Odoo, two halves in Tandem: how they are joined, split and kept apart.
//!
//! With two fields of their own ([`NameFields::Custom`](super::NameFields)) the rule is reversible:
//! what was written reads back the same. Without them only names whose last name is one word are.

use serde_json::Value as Json;

use super::cell::Cell;
use crate::model::Fields;

/// The names of the two fields that hold the halves of a name, if Odoo has them.
pub(super) type HalfFields<'a> = Option<(&'a str, &'a str)>;

/// First and last name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Halves {
    pub(super) first: String,
    pub(super) last: String,
}

impl Halves {
    fn new(first: &str, last: &str) -> Self {
        Self { first: first.trim().to_owned(), last: last.trim().to_owned() }
    }

    /// The single `name`: "first last", or the one half there is.
    pub(super) fn join(&self) -> String {
        [self.first.trim(), self.last.trim()].into_iter().filter(|half| !half.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// The halves of a bare `name`: the last word is the last name, all before it the first name; a
    /// single word is a last name.
    pub(super) fn split(name: &str) -> Self {
        let name = name.trim();
        match name.rsplit_once(char::is_whitespace) {
            Some((first, last)) => Self::new(first, last),
            None => Self::new("", name),
        }
    }

    /// The halves behind `name`, given the halves written last. If they no longer make up `name`,
    /// somebody renamed the record in Odoo: the half that still stands at its own end keeps its
    /// boundary, the rest is the other half.
    pub(super) fn align(name: &str, written: &Self) -> Self {
        let name = name.trim();
        let (first, last) = (written.first.trim(), written.last.trim());
        if written.join() == name {
            return Self::new(first, last);
        }
        if name == first {
            return Self::new(first, "");
        }
        if name == last {
            return Self::new("", last);
        }
        if !last.is_empty()
            && let Some(rest) = name.strip_suffix(last).filter(|rest| rest.ends_with(char::is_whitespace))
        {
            return Self::new(rest, last);
        }
        if !first.is_empty()
            && let Some(rest) = name.strip_prefix(first).filter(|rest| rest.starts_with(char::is_whitespace))
        {
            return Self::new(first, rest);
        }
        Self::split(name)
    }
}

/// The halves of the name a row has in `person`.
pub(super) fn decode_halves(row: &Json, person: &str, fields: HalfFields<'_>) -> Halves {
    let text = |field: &str| row.get(field).and_then(Json::as_str).unwrap_or_default().to_owned();
    let name = text(person);
    match fields {
        Some((first, last)) => Halves::align(&name, &Halves { first: text(first), last: text(last) }),
        None => Halves::split(&name),
    }
}

/// The cells that write a name into `person` and the fields of its halves.
pub(super) fn encode_halves(halves: &Halves, person: &str, fields: HalfFields<'_>) -> Vec<(String, Cell)> {
    let cell = |text: &str| if text.trim().is_empty() { Cell::Empty } else { Cell::Text(text.trim().to_owned()) };
    let mut cells = vec![(person.to_owned(), cell(&halves.join()))];
    if let Some((first, last)) = fields {
        cells.push((first.to_owned(), cell(&halves.first)));
        cells.push((last.to_owned(), cell(&halves.last)));
    }
    cells
}

/// How many of the two halves `fields` speak of.
pub(super) fn halves_given(fields: &Fields) -> usize {
    ["first_name", "last_name"].into_iter().filter(|half| fields.contains_key(*half)).count()
}

/// The halves of a name as `fields` gives them, with `other` for what it leaves out.
pub(super) fn halves_in(fields: &Fields, other: &Halves) -> Halves {
    let half = |name: &str, other: &str| match fields.get(name) {
        None => other.to_owned(),
        Some(value) => value.as_text().unwrap_or_default().to_owned(),
    };
    Halves { first: half("first_name", &other.first), last: half("last_name", &other.last) }
}

/// Whether the boundary inside a bare `name` is anybody's guess: three words or more.
pub(super) fn is_ambiguous(name: &str) -> bool {
    name.split_whitespace().count() > 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn halves(first: &str, last: &str) -> Halves {
        Halves { first: first.to_owned(), last: last.to_owned() }
    }

    #[test]
    fn split_takes_the_last_word() {
        for (name, first, last) in [
            ("Ada Lovelace", "Ada", "Lovelace"),
            ("Mary Jane Watson", "Mary Jane", "Watson"),
            ("Prince", "", "Prince"),
            ("  Ada   Lovelace ", "Ada", "Lovelace"),
            ("", "", ""),
        ] {
            assert_eq!(Halves::split(name), halves(first, last), "{name:?}");
        }
    }

    #[test]
    fn written_halves_keep_their_boundary() {
        let written = halves("Mary Jane", "van Dyke");
        assert_eq!(Halves::align(&written.join(), &written), written);
        // Without fields of their own the boundary is lost, which is why two fields are preferred.
        assert_eq!(Halves::split(&written.join()), halves("Mary Jane van", "Dyke"));
    }

    #[test]
    fn a_rename_in_odoo_is_fitted_to_the_halves_written_before() {
        let written = halves("Mary Jane", "van Dyke");
        for (name, first, last) in [
            ("Maria van Dyke", "Maria", "van Dyke"),
            ("Mary Jane Watson", "Mary Jane", "Watson"),
            ("Mary Jane de la Cruz", "Mary Jane", "de la Cruz"),
            ("van Dyke", "", "van Dyke"),
            ("Mary Jane", "Mary Jane", ""),
            ("Roger Nelson", "Roger", "Nelson"),
            // "Dyke" alone is not the whole last name, and "Mary" not the whole first name.
            ("Mary Dyke", "Mary", "Dyke"),
            // Ends with the letters of the last name, but inside a word.
            ("Evan Ivan Dyke", "Evan Ivan", "Dyke"),
        ] {
            assert_eq!(Halves::align(name, &written), halves(first, last), "{name:?}");
        }
    }

    #[test]
    fn halves_never_written_mean_a_split() {
        assert_eq!(Halves::align("Ada Lovelace", &Halves::default()), halves("Ada", "Lovelace"));
        assert_eq!(Halves::align("Cher Bono", &halves("Cher", "")), halves("Cher", "Bono"));
        assert_eq!(Halves::align("The Prince", &halves("", "Prince")), halves("The", "Prince"));
    }

    #[test]
    fn three_words_are_ambiguous() {
        assert!(is_ambiguous("Mary Jane Watson") && !is_ambiguous(" Ada  Lovelace "));
    }

    proptest! {
        #[test]
        fn what_was_written_reads_back_the_same(first in "[a-zé']{0,6}( [a-z]{1,5}){0,2}", last in "[a-zé']{0,6}( [a-z]{1,5}){0,2}") {
            let written = Halves::new(&first, &last);
            prop_assert_eq!(Halves::align(&written.join(), &written), written);
        }

        #[test]
        fn no_word_is_lost_by_a_rename(name in "[a-c ]{0,12}", first in "[a-c ]{0,6}", last in "[a-c ]{0,6}") {
            let read = Halves::align(&name, &Halves::new(&first, &last));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&read.join()), words(&name));
        }
    }
}
