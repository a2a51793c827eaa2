//! Who is known to which side before the two first meet.

use std::collections::BTreeSet;

use tandem::sim::people::{Company, Person, Population};

/// How many of each.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub both: usize,
    pub only_ivvy: usize,
    pub only_crm: usize,
    pub companies_both: usize,
    pub companies_only_ivvy: usize,
    pub companies_only_crm: usize,
}

impl Shape {
    /// The issue's example: 500 contacts and 60 companies on each side, 200 people and 24 companies
    /// of them the same.
    pub const ISSUE: Self = Self {
        both: 200,
        only_ivvy: 300,
        only_crm: 300,
        companies_both: 24,
        companies_only_ivvy: 36,
        companies_only_crm: 36,
    };

    /// `people` known to both, three companies known to both.
    pub const fn pairs(people: usize) -> Self {
        Self {
            both: people,
            only_ivvy: 0,
            only_crm: 0,
            companies_both: 3,
            companies_only_ivvy: 0,
            companies_only_crm: 0,
        }
    }

    pub fn people(self) -> usize {
        self.both + self.only_ivvy + self.only_crm
    }

    pub fn companies(self) -> usize {
        self.companies_both + self.companies_only_ivvy + self.companies_only_crm
    }
}

/// The two populations, and everybody in either.
#[derive(Clone, Debug)]
pub struct Known {
    pub ivvy: Population,
    pub crm: Population,
    pub everybody: Vec<Person>,
    pub every_company: Vec<Company>,
}

impl Known {
    /// Divides an invented population. Left out are only names that are too long for Salesforce, which
    /// no system could keep in step.
    pub fn of(shape: Shape, seed: u64) -> Self {
        let (people, companies) = (shape.people(), shape.companies());
        let all = Population::generate(seed, people + people / 8 + 12, companies);
        let mut identities = BTreeSet::new();
        let fitting = all.people.into_iter().filter(|person| {
            let fits = person.first_name.chars().count() <= 40 && person.last_name.chars().count() <= 80;
            fits && identities.insert(identity(&person.first_name, &person.last_name, &person.email))
        });
        let mut everybody: Vec<Person> = fitting.take(people).collect();
        assert_eq!(everybody.len(), people, "the population is large enough");

        let mut every_company = all.companies;
        for (index, company) in every_company.iter_mut().enumerate() {
            // Two spellings of one name would be one company to both systems.
            company.name = format!("{} {index}", company.name);
        }
        let on_ivvy = shape.companies_both + shape.companies_only_ivvy;
        let mut ivvy = Population { people: Vec::new(), companies: every_company[..on_ivvy].to_vec() };
        let mut crm = Population { people: Vec::new(), companies: every_company[..shape.companies_both].to_vec() };
        crm.companies.extend_from_slice(&every_company[on_ivvy..]);
        for (index, person) in everybody.iter_mut().enumerate() {
            let place = person.company.unwrap_or(0);
            let employed = person.company.is_some() && companies > 0;
            if index < shape.both {
                person.company = employed.then(|| place % shape.companies_both.max(1));
                ivvy.people.push(person.clone());
                crm.people.push(person.clone());
            } else if index < shape.both + shape.only_ivvy {
                person.company = employed.then(|| place % ivvy.companies.len().max(1));
                ivvy.people.push(person.clone());
            } else {
                let seat = employed.then(|| place % crm.companies.len().max(1));
                crm.people.push(Person { company: seat, ..person.clone() });
                let beyond =
                    |seat: usize| if seat < shape.companies_both { seat } else { seat + shape.companies_only_ivvy };
                person.company = seat.map(beyond);
            }
        }
        Self { ivvy, crm, everybody, every_company }
    }
}

/// What makes two records the same person to a reader: whole name and address, case ignored.
pub fn identity(first: &str, last: &str, email: &str) -> (String, String) {
    (format!("{} {}", first.trim(), last.trim()).to_lowercase(), email.trim().to_lowercase())
}
