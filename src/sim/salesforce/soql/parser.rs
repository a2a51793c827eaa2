//! The grammar.

use super::lexer::{Token, tokens};
use super::{Condition, Literal, Operator, Order, Path, Query, refuse_at};
use crate::sim::salesforce::error::Refusal;
use crate::sim::salesforce::stamp;

/// The longest statement Salesforce reads, in characters.
const MAX_LENGTH: usize = 100_000;
/// Nesting beyond this is refused, so that no query can exhaust the stack.
const MAX_DEPTH: usize = 50;
/// Words that cannot be field names, as they would swallow a missing one.
const RESERVED: [&str; 21] = [
    "select", "from", "where", "and", "or", "not", "order", "by", "limit", "offset", "asc", "desc", "nulls", "like",
    "in", "includes", "excludes", "group", "having", "null", "using",
];

/// Reads one query.
///
/// # Errors
/// `MALFORMED_QUERY`, pointing at the first token that does not fit.
pub fn parse(soql: &str) -> Result<Query, Refusal> {
    if soql.chars().count() > MAX_LENGTH {
        return Err(Refusal::new("QUERY_TOO_COMPLICATED", "SOQL statements cannot be longer than 100000 characters"));
    }
    let mut parser = Parser { soql, tokens: tokens(soql)?, next: 0 };
    let query = parser.query()?;
    match parser.peek() {
        None => Ok(query),
        Some(_) => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    soql: &'a str,
    tokens: Vec<(usize, Token)>,
    next: usize,
}

impl Parser<'_> {
    fn query(&mut self) -> Result<Query, Refusal> {
        self.keyword("SELECT")?;
        let select = if self.accept("COUNT") {
            self.sign("(")?;
            self.sign(")")?;
            Vec::new()
        } else {
            self.list(Self::path)?
        };
        self.keyword("FROM")?;
        let from = self.path()?.text;
        let filter = if self.accept("WHERE") { Some(self.condition(0)?) } else { None };
        let order = if self.accept("ORDER") {
            self.keyword("BY")?;
            self.list(Self::order)?
        } else {
            Vec::new()
        };
        let limit = if self.accept("LIMIT") { Some(self.count()?) } else { None };
        let offset = if self.accept("OFFSET") { Some(self.count()?) } else { None };
        Ok(Query { select, from, filter, order, limit, offset })
    }

    /// `NOT simple` | `simple` | `simple AND simple …` | `simple OR simple …`.
    fn condition(&mut self, depth: usize) -> Result<Condition, Refusal> {
        if depth > MAX_DEPTH {
            return Err(self.refuse("the conditions are nested too deeply"));
        }
        if self.accept("NOT") {
            return Ok(Condition::Not(Box::new(self.simple(depth)?)));
        }
        let first = self.simple(depth)?;
        for (word, join) in [("AND", Condition::All as fn(Vec<Condition>) -> Condition), ("OR", Condition::Any)] {
            if self.at(word) {
                let mut parts = vec![first];
                while self.accept(word) {
                    parts.push(self.simple(depth)?);
                }
                return Ok(join(parts));
            }
        }
        Ok(first)
    }

    fn simple(&mut self, depth: usize) -> Result<Condition, Refusal> {
        if self.accept_sign("(") {
            let inner = self.condition(depth + 1)?;
            self.sign(")")?;
            return Ok(inner);
        }
        let path = self.path()?;
        if self.accept("NOT") {
            self.keyword("IN")?;
            return Ok(Condition::In(path, true, self.literals()?));
        }
        for (word, negated) in [("INCLUDES", false), ("EXCLUDES", true)] {
            if self.accept(word) {
                return Ok(Condition::Includes(path, negated, self.literals()?));
            }
        }
        if self.accept("IN") {
            return Ok(Condition::In(path, false, self.literals()?));
        }
        let operator = if self.accept("LIKE") { Operator::Like } else { self.operator()? };
        Ok(Condition::Compare(path, operator, self.literal()?))
    }

    fn operator(&mut self) -> Result<Operator, Refusal> {
        let operators = [
            ("=", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<>", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let found = operators.into_iter().find(|(sign, _)| self.accept_sign(sign));
        found.map(|(_, operator)| operator).ok_or_else(|| self.unexpected())
    }

    fn literals(&mut self) -> Result<Vec<Literal>, Refusal> {
        self.sign("(")?;
        let values = self.list(Self::literal)?;
        self.sign(")")?;
        Ok(values)
    }

    fn literal(&mut self) -> Result<Literal, Refusal> {
        let value = match self.peek() {
            Some(Token::Text(raw)) => Some(Literal::Text(raw.clone())),
            Some(Token::Word(word)) => match word.to_ascii_lowercase().as_str() {
                "null" => Some(Literal::Null),
                "true" => Some(Literal::Bool(true)),
                "false" => Some(Literal::Bool(false)),
                _ if !word.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) => {
                    None
                }
                _ => stamp::from_literal(word)
                    .map(Literal::Instant)
                    .or_else(|| stamp::day(word).map(Literal::Day))
                    .or_else(|| word.parse().ok().filter(|number: &f64| number.is_finite()).map(Literal::Number)),
            },
            _ => None,
        };
        let value = value.ok_or_else(|| self.unexpected())?;
        self.next += 1;
        Ok(value)
    }

    fn order(&mut self) -> Result<Order, Refusal> {
        let path = self.path()?;
        let descending = !self.accept("ASC") && self.accept("DESC");
        let mut nulls_last = false;
        if self.accept("NULLS") {
            nulls_last = self.accept("LAST");
            if !nulls_last {
                self.keyword("FIRST")?;
            }
        }
        Ok(Order { path, descending, nulls_last })
    }

    fn path(&mut self) -> Result<Path, Refusal> {
        let name = |word: &String| {
            let good = |part: &str| {
                part.starts_with(|first: char| first.is_ascii_alphabetic())
                    && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
            };
            word.split('.').all(good) && !RESERVED.contains(&word.to_ascii_lowercase().as_str())
        };
        match self.tokens.get(self.next) {
            Some((at, Token::Word(word))) if name(word) => {
                let path = Path { text: word.clone(), at: *at };
                self.next += 1;
                Ok(path)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn count(&mut self) -> Result<u64, Refusal> {
        match self.peek() {
            Some(Token::Word(word)) if word.bytes().all(|byte| byte.is_ascii_digit()) => {
                let number = word.parse().map_err(|_| self.unexpected())?;
                self.next += 1;
                Ok(number)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn list<T>(&mut self, one: fn(&mut Self) -> Result<T, Refusal>) -> Result<Vec<T>, Refusal> {
        let mut items = vec![one(self)?];
        while self.accept_sign(",") {
            items.push(one(self)?);
        }
        Ok(items)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn at(&self, keyword: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    fn accept(&mut self, keyword: &str) -> bool {
        let found = self.at(keyword);
        self.next += usize::from(found);
        found
    }

    fn accept_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), Refusal> {
        if self.accept(keyword) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn sign(&mut self, sign: &str) -> Result<(), Refusal> {
        if self.accept_sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Refusal {
        match self.peek() {
            None => self.refuse("unexpected token: '<EOF>'"),
            Some(Token::Word(text) | Token::Text(text)) => {
                self.refuse(&format!("unexpected token: '{}'", text.chars().take(40).collect::<String>()))
            }
            Some(Token::Sign(sign)) => self.refuse(&format!("unexpected token: '{sign}'")),
        }
    }

    fn refuse(&self, message: &str) -> Refusal {
        let at = self.tokens.get(self.next).map_or(self.soql.len(), |(at, _)| *at);
        refuse_at("MALFORMED_QUERY", self.soql, at, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(soql: &str) -> &'static str {
        parse(soql).unwrap_err().reasons[0].code
    }

    #[test]
    fn reads_what_a_sweep_asks() {
        let query = parse(
            "select Id, Account.Name from Contact where SystemModstamp >= 2026-11-21T08:00:00.000Z \
             and (IsDeleted = false or Email like 'a\\_%') order by SystemModstamp, Id desc nulls last limit 10 offset 2",
        )
        .unwrap();
        assert_eq!(query.select.iter().map(|path| path.text.as_str()).collect::<Vec<_>>(), ["Id", "Account.Name"]);
        let Some(Condition::All(parts)) = &query.filter else { panic!("{:?}", query.filter) };
        let at = "2026-11-21T08:00:00Z".parse().unwrap();
        assert!(matches!(&parts[0], Condition::Compare(_, Operator::GreaterOrEqual, Literal::Instant(i)) if *i == at));
        assert!(matches!(&parts[1], Condition::Any(any) if any.len() == 2));
        assert_eq!((query.order[0].descending, query.order[1].descending), (false, true));
        assert!(query.order[1].nulls_last);
        assert_eq!((query.limit, query.offset), (Some(10), Some(2)));
        assert!(parse("SELECT COUNT() FROM Contact").unwrap().select.is_empty());
    }

    #[test]
    fn refuses_what_the_real_grammar_refuses() {
        for wrong in [
            "",
            "SELECT",
            "SELECT Id",
            "SELECT FROM Contact",
            "SELECT * FROM Contact",
            "SELECT Id, FROM Contact",
            "SELECT Id FROM Contact WHERE",
            "SELECT Id FROM Contact WHERE Name",
            "SELECT Id FROM Contact WHERE Name = ",
            "SELECT Id FROM Contact WHERE Name = \"double\"",
            "SELECT Id FROM Contact WHERE Name = 'open",
            "SELECT Id FROM Contact WHERE Name = 'bad \\q escape'",
            "SELECT Id FROM Contact WHERE Name = bare",
            "SELECT Id FROM Contact WHERE A = 1 AND B = 2 OR C = 3",
            "SELECT Id FROM Contact WHERE NOT A = 1 AND B = 2",
            "SELECT Id FROM Contact WHERE Id IN ()",
            "SELECT Id FROM Contact ORDER BY",
            "SELECT Id FROM Contact LIMIT -1",
            "SELECT Id FROM Contact LIMIT 1 WHERE A = 1",
            "SELECT Id FROM Contact; DROP",
            "SELECT Id FROM Contact WHERE SystemModstamp > 2026-11-21T08:00:00+0000",
            "SELECT Id FROM Contact WHERE SystemModstamp > 2026-11-21T08:00:00",
        ] {
            assert_eq!(code(wrong), "MALFORMED_QUERY", "{wrong}");
        }
        assert!(parse("SELECT Id FROM Contact WHERE (NOT A = 1) AND (B = 2 OR C = 3)").is_ok());
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_exhaust_the_stack() {
        let deep = format!("SELECT Id FROM Contact WHERE {}A = 1{}", "(".repeat(20_000), ")".repeat(20_000));
        assert_eq!(code(&deep), "MALFORMED_QUERY");
        assert_eq!(code(&" ".repeat(100_001)), "QUERY_TOO_COMPLICATED");
    }

    #[test]
    fn the_refusal_points_at_the_token() {
        let refusal = parse("SELECT Id\nFROM Contact WHERE ä").unwrap_err();
        assert!(refusal.reasons[0].message.contains("Row:2:Column:20"), "{}", refusal.reasons[0].message);
    }

    fn pieces() -> impl Strategy<Value = String> {
        let known = prop::sample::select(vec![
            "SELECT",
            "FROM",
            "WHERE",
            "AND",
            "OR",
            "NOT",
            "IN",
            "LIKE",
            "(",
            ")",
            ",",
            "=",
            "<>",
            "'",
            "\\",
            "'a'",
            "Id",
            "Contact",
            "COUNT",
            "null",
            "2026-11-21T08:00:00Z",
            "ORDER BY",
            "LIMIT",
            "1e999",
            "\n",
            "é",
            "%",
        ]);
        prop::collection::vec(prop_oneof![known.prop_map(str::to_owned), any::<String>()], 0..30)
            .prop_map(|words| words.join(" "))
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(soql in prop_oneof![any::<String>(), pieces()]) {
            if let Err(refusal) = parse(&soql) {
                prop_assert!(["MALFORMED_QUERY", "QUERY_TOO_COMPLICATED"].contains(&refusal.reasons[0].code));
            }
        }

        #[test]
        fn any_text_survives_quoting(text in any::<String>()) {
            let quoted = text.replace('\\', "\\\\").replace('\'', "\\'");
            let query = parse(&format!("SELECT Id FROM Contact WHERE Name = '{quoted}'")).unwrap();
            let Some(Condition::Compare(_, _, Literal::Text(raw))) = query.filter else { panic!("no text") };
            prop_assert_eq!(super::super::lexer::read(&raw), Some(text));
        }
    }
}
