//! The catalogue's stage words and Odoo's stages.
//!
//! Measured on 19.0: an opportunity is lost when it is inactive *and* its probability is 0; Odoo refuses that
//! in a stage that counts as won ("Move it to another stage first"), which is just what a cancelled booking
//! needs, so it moves to the stage for `open`. Writing a stage does not bring a lost one back: `active` must
//! be said too. Writing a won stage sets the probability by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::cell::Cell;
use super::values;
use crate::error::Error;

/// Words with a stage of their own. `lost` has none in Odoo.
const WORDS: [(&str, &str); 4] =
    [("open", "New"), ("quote", "Proposition"), ("tentative", "Qualified"), ("won", "Won")];
const LOST: &str = "lost";

/// One row of `crm.stage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) won: bool,
}

/// `crm.stage` by id.
pub(super) type Stages = BTreeMap<i64, Stage>;

/// The stages of a fresh Odoo.
pub(super) fn default_names() -> BTreeMap<String, String> {
    WORDS.map(|(word, name)| (word.to_owned(), name.to_owned())).into()
}

/// Whether each word has one stage and each stage one word.
pub(super) fn check_names(names: &BTreeMap<String, String>) -> Result<(), Error> {
    let wanted: BTreeSet<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    if names.keys().map(String::as_str).collect::<BTreeSet<_>>() != wanted {
        return Err(Error::config("Odoo's stages: name one stage each for open, quote, tentative and won")
            .hint("a lost opportunity keeps its stage; Odoo archives it"));
    }
    let distinct: BTreeSet<&str> = names.values().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    if distinct.len() != names.len() {
        return Err(Error::config("Odoo's stages: two words for one stage cannot be told apart when read back"));
    }
    Ok(())
}

/// Whether the table has what `word` needs.
pub(super) fn suffices(stages: &Stages, names: &BTreeMap<String, String>, word: &str) -> bool {
    id_of(stages, names, if word == LOST { "open" } else { word }).is_some()
}

/// The cells that bring an opportunity to `word`. `now` is the row as it stands, with `stage_id` and
/// `won_status`; `None` if it is to be created.
pub(super) fn cells(
    word: &str,
    names: &BTreeMap<String, String>,
    stages: &Stages,
    now: Option<&Json>,
) -> Result<Vec<(String, Cell)>, &'static str> {
    let cell = |field: &str, cell| (field.to_owned(), cell);
    let to = |word| -> Result<(String, Cell), &'static str> {
        let id = id_of(stages, names, word).ok_or("Odoo has no stage of the name configured for this word")?;
        Ok(cell("stage_id", Cell::Related(id)))
    };
    if word == LOST {
        let mut cells = vec![cell("active", Cell::Flag(false)), cell("probability", Cell::Number(0))];
        let stands = now.and_then(|row| stages.get(&values::related(row.get("stage_id")?)?));
        if stands.is_none_or(|stage| stage.won) {
            cells.push(to("open")?);
        }
        return Ok(cells);
    }
    if !names.contains_key(word) {
        return Err("no Odoo stage stands for this word");
    }
    let mut cells = vec![to(word)?];
    if now.is_some_and(values::is_lost) {
        cells.push(cell("active", Cell::Flag(true)));
    }
    Ok(cells)
}

fn id_of(stages: &Stages, names: &BTreeMap<String, String>, word: &str) -> Option<i64> {
    let name = names.get(word)?;
    stages.iter().find(|(_, stage)| stage.name == *name).map(|(id, _)| *id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stages() -> Stages {
        let stage = |(id, name, won): (i64, &str, bool)| (id, Stage { name: name.to_owned(), won });
        [(1, "New", false), (2, "Qualified", false), (3, "Proposition", false), (4, "Won", true)].map(stage).into()
    }

    fn written(word: &str, now: Option<Json>) -> Vec<(String, Json)> {
        let cells = cells(word, &default_names(), &stages(), now.as_ref()).unwrap();
        cells.into_iter().map(|(field, cell)| (field, cell.for_write())).collect()
    }

    fn pairs<const N: usize>(pairs: [(&str, Json); N]) -> Vec<(String, Json)> {
        pairs.map(|(field, value)| (field.to_owned(), value)).into()
    }

    #[test]
    fn a_won_one_is_moved_before_it_is_lost() {
        let lost = [("active", json!(false)), ("probability", json!(0))];
        assert_eq!(written("lost", Some(json!({"stage_id": [3, "Proposition"]}))), pairs(lost.clone()));
        let [active, probability] = lost;
        let moved = pairs([active, probability, ("stage_id", json!(1))]);
        assert_eq!(written("lost", Some(json!({"stage_id": [4, "Won"]}))), moved);
        assert_eq!(written("lost", None), moved);
    }

    #[test]
    fn a_lost_one_comes_back_and_an_archived_one_stays_archived() {
        let now = |status: &str| Some(json!({"stage_id": [1, "New"], "won_status": status}));
        assert_eq!(written("quote", now("lost")), pairs([("stage_id", json!(3)), ("active", json!(true))]));
        assert_eq!(written("quote", now("pending")), pairs([("stage_id", json!(3))]));
    }

    #[test]
    fn words_without_a_stage_are_refused_v83() {
        for word in ["status 42", "", "Open"] {
            assert!(cells(word, &default_names(), &stages(), None).is_err(), "{word}");
        }
        assert!(cells("won", &default_names(), &Stages::new(), None).is_err());
    }

    #[test]
    fn the_names_must_map_both_ways() {
        assert!(check_names(&default_names()).is_ok());
        for (word, name) in [("open", "Won"), ("open", " "), ("lost", "Lost")] {
            let mut names = default_names();
            names.insert(word.to_owned(), name.to_owned());
            assert!(check_names(&names).is_err(), "{word}");
        }
    }
}
