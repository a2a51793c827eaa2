//! Names and types of a query, checked against the schema.

use super::lexer::{pattern, read};
use super::plan::{Column, Key, Test};
use super::{Condition, Literal, Operator, Path, refuse_at};
use crate::sim::salesforce::error::Refusal;
use crate::sim::salesforce::id::SfId;
use crate::sim::salesforce::schema::{Kind, Object, Schema};

/// Checks names and types of one query.
pub(super) struct Checker<'a> {
    /// The text, for refusals that point into it.
    pub soql: &'a str,
    /// What exists.
    pub schema: &'a Schema,
    /// The object asked.
    pub object: &'a Object,
}

impl Checker<'_> {
    pub(super) fn column(&self, path: &Path) -> Result<Column, Refusal> {
        let unknown = |name: &str, object: &str| {
            let text = format!(
                "No such column '{name}' on entity '{object}'. If you are attempting to use a custom field, be sure \
                 to append the '__c' after the custom field name. Please reference your WSDL or the describe call for \
                 the appropriate names."
            );
            self.refuse("INVALID_FIELD", path, &text)
        };
        let (hop, object, name) = match path.text.split_once('.') {
            None => (None, self.object, path.text.as_str()),
            // The object's own name may stand before its fields.
            Some((own, name)) if own.eq_ignore_ascii_case(self.object.name) && !name.contains('.') => {
                (None, self.object, name)
            }
            Some((relationship, name)) => {
                let missing = || {
                    let text = format!("Didn't understand relationship '{relationship}' in field path.");
                    self.refuse("INVALID_FIELD", path, &text)
                };
                let (field, to) = self.object.relationship(relationship).ok_or_else(missing)?;
                let Kind::Reference { relationship, .. } = field.kind else { return Err(missing()) };
                let object = self.schema.object(to).ok_or_else(missing)?;
                (Some((field.name.clone(), relationship, object.name)), object, name)
            }
        };
        let field = object.field_folded(name).ok_or_else(|| unknown(name, object.name))?;
        Ok(Column { hop, field: field.name.clone(), kind: field.kind.clone() })
    }

    pub(super) fn test(&self, condition: &Condition) -> Result<Test, Refusal> {
        Ok(match condition {
            Condition::All(parts) => Test::All(self.tests(parts)?),
            Condition::Any(parts) => Test::Any(self.tests(parts)?),
            Condition::Not(inner) => Test::Not(Box::new(self.test(inner)?)),
            Condition::Compare(path, Operator::Like, Literal::Text(raw)) => {
                let column = self.filterable(path)?;
                if !is_text(&column.kind) {
                    return Err(self.bad_operator(path));
                }
                Test::Like { column, glyphs: pattern(raw).ok_or_else(|| self.wrong_type(path, "string"))? }
            }
            Condition::Compare(path, Operator::Like, _) => return Err(self.bad_operator(path)),
            Condition::Compare(path, operator, literal) => {
                let column = self.filterable(path)?;
                let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
                if !equality && matches!(column.kind, Kind::Boolean | Kind::MultiPicklist { .. }) {
                    return Err(self.bad_operator(path));
                }
                let key = self.key(path, &column.kind, literal)?;
                Test::Compare { column, operator: *operator, key }
            }
            Condition::In(path, negated, literals) => {
                let column = self.filterable(path)?;
                if matches!(column.kind, Kind::MultiPicklist { .. }) {
                    return Err(self.bad_operator(path));
                }
                let mut keys: Vec<Key> =
                    literals.iter().map(|one| self.key(path, &column.kind, one)).collect::<Result<_, _>>()?;
                keys.sort_by(Key::cmp);
                Test::In { column, negated: *negated, keys }
            }
            Condition::Includes(path, negated, literals) => {
                let column = self.filterable(path)?;
                if !matches!(column.kind, Kind::MultiPicklist { .. }) {
                    return Err(self.bad_operator(path));
                }
                let choice = |literal: &Literal| match self.key(path, &column.kind, literal)? {
                    Key::Text(text) => Ok(text.split(';').map(str::to_owned).collect()),
                    _ => Err(self.wrong_type(path, "string")),
                };
                let choices = literals.iter().map(choice).collect::<Result<_, _>>()?;
                Test::Includes { column, negated: *negated, choices }
            }
        })
    }

    fn tests(&self, parts: &[Condition]) -> Result<Vec<Test>, Refusal> {
        parts.iter().map(|part| self.test(part)).collect()
    }

    fn filterable(&self, path: &Path) -> Result<Column, Refusal> {
        let column = self.column(path)?;
        if matches!(column.kind, Kind::TextArea(256..)) {
            return Err(self.cannot(path, "filtered"));
        }
        Ok(column)
    }

    fn key(&self, path: &Path, kind: &Kind, literal: &Literal) -> Result<Key, Refusal> {
        let text = match literal {
            Literal::Text(raw) => Some(read(raw).ok_or_else(|| self.wrong_type(path, "string"))?),
            _ => None,
        };
        match (kind, literal, text) {
            (Kind::Boolean, Literal::Bool(flag), _) => Ok(Key::Bool(*flag)),
            (Kind::Boolean, _, _) => Err(self.wrong_type(path, "boolean")),
            (_, Literal::Null, _) => Ok(Key::Null),
            (Kind::DateTime, Literal::Instant(at), _) => Ok(Key::Time(*at)),
            (Kind::DateTime, _, _) => Err(self.wrong_type(path, "dateTime")),
            (Kind::Date, Literal::Day(day), _) => Ok(Key::Text(day.to_string())),
            (Kind::Date, _, _) => Err(self.wrong_type(path, "date")),
            (Kind::Double | Kind::Currency, Literal::Number(number), _) => Ok(Key::Number(*number + 0.0)),
            (Kind::Double | Kind::Currency, _, _) => Err(self.wrong_type(path, "double")),
            (_, _, None) => Err(self.wrong_type(path, "string")),
            // Salesforce holds no empty text: it is the same as no value.
            (_, _, Some(text)) if text.is_empty() => Ok(Key::Null),
            (Kind::Id | Kind::Reference { .. } | Kind::Polymorphic(_), _, Some(text)) => match SfId::parse(&text) {
                Some(id) => Ok(Key::Text(id.as_str().to_owned())),
                None => Err(self.refuse("INVALID_QUERY_FILTER_OPERATOR", path, &format!("invalid ID field: {text}"))),
            },
            (_, _, Some(text)) => Ok(Key::Text(text.to_lowercase())),
        }
    }

    fn wrong_type(&self, path: &Path, wanted: &str) -> Refusal {
        let quotes = if wanted == "string" { "should be" } else { "should not be" };
        let name = &path.text;
        let text = format!(
            "value of filter criterion for field '{name}' must be of type {wanted} and {quotes} enclosed in quotes"
        );
        self.refuse("INVALID_FIELD", path, &text)
    }

    fn bad_operator(&self, path: &Path) -> Refusal {
        let text = format!("invalid operator on field {}", path.text);
        self.refuse("INVALID_QUERY_FILTER_OPERATOR", path, &text)
    }

    pub(super) fn cannot(&self, path: &Path, what: &str) -> Refusal {
        self.refuse("INVALID_FIELD", path, &format!("field '{}' can not be {what} in a query call", path.text))
    }

    pub(super) fn refuse(&self, code: &'static str, path: &Path, message: &str) -> Refusal {
        refuse_at(code, self.soql, path.at, message)
    }
}

fn is_text(kind: &Kind) -> bool {
    match kind {
        Kind::Text(_) | Kind::TextArea(_) | Kind::Email | Kind::Phone | Kind::Url | Kind::Picklist { .. } => true,
        Kind::Id | Kind::Reference { .. } | Kind::Polymorphic(_) | Kind::MultiPicklist { .. } => false,
        Kind::Boolean | Kind::DateTime | Kind::Date | Kind::Double | Kind::Currency => false,
    }
}
