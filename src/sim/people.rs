//! Invented people and companies: international, believable, and the same for the same seed.
//!
//! The names are chosen to hurt: apostrophes, combining scripts, right-to-left text, wide characters,
//! emoji, 200-character names, shared mailboxes. Nobody here exists; mail domains are reserved ones.

mod cultures;

use std::collections::BTreeSet;

use cultures::{CULTURES, Culture};

use crate::seam::Entropy;

/// A person as both systems could know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Position in the generated population: the same person on both sides has the same number.
    pub origin: usize,
    /// Given name in the person's own script.
    pub first_name: String,
    /// Family name in the person's own script.
    pub last_name: String,
    /// Address, ASCII, unique in the population unless the mailbox is shared.
    pub email: String,
    /// Number with country code.
    pub phone: String,
    /// Index into [`Population::companies`] of the same population.
    pub company: Option<usize>,
}

/// A company as both systems could know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Company {
    /// Position in the generated population.
    pub origin: usize,
    /// Business name.
    pub name: String,
    /// Number with country code.
    pub phone: String,
    /// General address.
    pub email: String,
    /// Home page.
    pub website: String,
    /// Street and number.
    pub street: String,
    /// City.
    pub city: String,
    /// Postal code in the country's form.
    pub postal_code: String,
    /// ISO 3166 alpha-2 code.
    pub country: String,
}

/// People and the companies they work for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Population {
    /// People.
    pub people: Vec<Person>,
    /// Companies.
    pub companies: Vec<Company>,
}

/// What each side of a demonstration knows. See [`Population::sides`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// Known to iVvy.
    pub ivvy: Population,
    /// Known to the CRM.
    pub crm: Population,
}

impl Population {
    /// `contacts` people and `companies` companies, drawn from `seed`.
    pub fn generate(seed: u64, contacts: usize, companies: usize) -> Self {
        let entropy = Entropy::seeded(seed);
        let mut taken = BTreeSet::new();
        let companies: Vec<Company> = (0..companies)
            .map(|origin| {
                let mut next = company(origin, &entropy);
                if taken.contains(&next.name) {
                    next.name = format!("{} – {}", next.name, next.city);
                }
                if !taken.insert(next.name.clone()) {
                    next.name = format!("{} {origin}", next.name);
                }
                next
            })
            .collect();
        let mut taken = BTreeSet::new();
        let mut people: Vec<Person> = Vec::with_capacity(contacts);
        for origin in 0..contacts {
            let mut next = person(origin, companies.len(), &entropy);
            match people.last() {
                // A shared mailbox: same family name, same address, another given name.
                Some(last) if entropy.chance(1, 60) && last.first_name != next.first_name => {
                    next.last_name.clone_from(&last.last_name);
                    next.email.clone_from(&last.email);
                    next.company = last.company;
                }
                _ if !taken.insert(next.email.clone()) => {
                    next.email = next.email.replacen('@', &format!(".{origin}@"), 1);
                    taken.insert(next.email.clone());
                }
                _ => {}
            }
            people.push(next);
        }
        Self { people, companies }
    }

    /// The same population in which about every tenth record carries text that attacks a terminal:
    /// escape sequences, clipboard writes, hidden links, C1, carriage returns, bidi overrides, NUL.
    #[must_use]
    pub fn hostile(mut self, seed: u64) -> Self {
        let entropy = Entropy::seeded(seed);
        let attack = |text: &mut String| text.push_str(pick(&entropy, HOSTILE));
        for (index, person) in self.people.iter_mut().enumerate() {
            match index % 10 {
                3 => attack(&mut person.first_name),
                7 => attack(&mut person.last_name),
                _ => {}
            }
        }
        for company in self.companies.iter_mut().skip(1).step_by(10) {
            attack(&mut company.name);
            attack(&mut company.city);
        }
        self
    }

    /// Divides the population for a demonstration: about 40 % of the people known to both sides, 30 %
    /// to one of them. Of those on both, every sixth has another phone number in the CRM, every
    /// twelfth another spelling there, and every twentieth is in the CRM twice, so that no machine
    /// can tell which is meant.
    pub fn sides(&self, seed: u64) -> Sides {
        let entropy = Entropy::seeded(seed);
        let mut sides = Sides::default();
        let mut seats = Vec::with_capacity(self.companies.len());
        for company in &self.companies {
            let part = entropy.below(100);
            seats.push((
                (part < 80).then(|| seat(&mut sides.ivvy.companies, company)),
                (part >= 20).then(|| seat(&mut sides.crm.companies, company)),
            ));
        }
        for person in &self.people {
            let part = entropy.below(100);
            let (in_ivvy, in_crm) = person.company.and_then(|index| seats.get(index)).copied().unwrap_or((None, None));
            if part < 70 {
                sides.ivvy.people.push(Person { company: in_ivvy, ..person.clone() });
            }
            let mut twin = Person { company: in_crm, ..person.clone() };
            if part < 40 {
                differ(&mut twin, &entropy);
                if entropy.chance(1, 20) {
                    sides.crm.people.push(twin.clone());
                }
            }
            if !(40..70).contains(&part) {
                sides.crm.people.push(twin);
            }
        }
        sides
    }
}

impl Sides {
    /// A demonstration in which each side knows exactly `people` people. Simulators in separate
    /// processes that use the same seed and size overlap as [`Population::sides`] says.
    pub fn of_size(seed: u64, people: usize) -> Self {
        let mut sides = Population::generate(seed, people * 2, people / 8 + 1).sides(seed);
        sides.ivvy.people.truncate(people);
        sides.crm.people.truncate(people);
        sides
    }
}

fn seat(companies: &mut Vec<Company>, company: &Company) -> usize {
    companies.push(company.clone());
    companies.len() - 1
}

fn differ(twin: &mut Person, entropy: &Entropy) {
    if entropy.chance(1, 6) {
        let country_code = twin.phone.split(' ').next().unwrap_or("+1").to_owned();
        twin.phone = phone(&country_code, entropy);
    }
    if entropy.chance(1, 12) {
        match entropy.below(3) {
            0 => twin.email = twin.email.to_uppercase(),
            1 => twin.first_name = format!(" {} ", twin.first_name),
            _ => twin.last_name = twin.last_name.to_uppercase(),
        }
    }
}

fn person(origin: usize, companies: usize, entropy: &Entropy) -> Person {
    let culture = &CULTURES[index_below(entropy, CULTURES.len())];
    let (given, given_ascii) = pick(entropy, culture.given);
    let (family, family_ascii) = pick(entropy, culture.family);
    let (mut first_name, mut last_name) = (given.to_owned(), family.to_owned());
    match entropy.below(150) {
        0 => first_name.push_str(" 🌸"),
        1 => last_name.push_str(" 👩‍👩‍👧‍👦"),
        2 => {
            last_name = format!("{family}-").repeat(200).chars().take(199).collect::<String>();
            last_name.push('x');
        }
        3 => last_name = format!("{family} \"Sunny\" & Sons, <b>Jr.</b>"),
        4 => first_name = "e\u{301}lodie".into(),
        _ => {}
    }
    let domain = pick(entropy, &["example.com", "example.org", "example.net", "mail.example.com"]);
    let company = (companies > 0 && entropy.chance(7, 10)).then(|| index_below(entropy, companies));
    Person {
        origin,
        first_name,
        last_name,
        email: format!("{given_ascii}.{family_ascii}@{domain}"),
        phone: phone(culture.calling_code, entropy),
        company,
    }
}

fn company(origin: usize, entropy: &Entropy) -> Company {
    let culture = &CULTURES[index_below(entropy, CULTURES.len())];
    let (stem, ascii) = pick(entropy, culture.family);
    let (trade, slug) = pick(entropy, culture.trades);
    let domain = format!("{ascii}-{slug}-{origin}.example");
    Company {
        origin,
        name: format!("{stem} {trade}"),
        phone: phone(culture.calling_code, entropy),
        email: format!("info@{domain}"),
        website: format!("https://www.{domain}"),
        street: street(culture, entropy),
        city: pick(entropy, culture.cities).to_owned(),
        postal_code: postal_code(culture.postal_form, entropy),
        country: culture.country.to_owned(),
    }
}

fn street(culture: &Culture, entropy: &Entropy) -> String {
    pick(entropy, culture.streets).replace('#', &(1 + entropy.below(240)).to_string())
}

/// Fills a form: `9` becomes a digit, `A` a letter.
fn postal_code(form: &str, entropy: &Entropy) -> String {
    let letter = |entropy: &Entropy| pick(entropy, &['A', 'B', 'C', 'E', 'H', 'K', 'M', 'N', 'S', 'W']);
    form.chars()
        .map(|sign| match sign {
            '9' => digit(entropy),
            'A' => letter(entropy),
            other => other,
        })
        .collect()
}

fn phone(calling_code: &str, entropy: &Entropy) -> String {
    let digits: String = (0..8).map(|_| digit(entropy)).collect();
    format!("{calling_code} {} {} {}", 2 + entropy.below(8), &digits[..4], &digits[4..])
}

fn digit(entropy: &Entropy) -> char {
    char::from_digit(u32::try_from(entropy.below(10)).unwrap_or(0), 10).unwrap_or('0')
}

fn index_below(entropy: &Entropy, len: usize) -> usize {
    usize::try_from(entropy.below(len as u64)).unwrap_or(0)
}

/// One of `choices`, which the callers' tables never leave empty.
fn pick<T: Copy>(entropy: &Entropy, choices: &[T]) -> T {
    choices[index_below(entropy, choices.len())]
}

/// What attackers put into names: sequences for terminals, characters nobody sees, lines that pretend.
pub const HOSTILE: &[&str] = &[
    "\u{1b}[2J\u{1b}[1;31mOWNED\u{1b}[0m",
    "\u{1b}]52;c;cm0gLXJmIH4=\u{7}",
    "\u{1b}]8;;https://evil.example/\u{1b}\\click\u{1b}]8;;\u{1b}\\",
    "\u{9b}31m\u{9d}0;title\u{9c}",
    "\rApproved by admin",
    "\u{202e}gnp.exe\u{202c}",
    "\u{2066}\u{200b}\u{feff}\u{2069}",
    "\0after",
    "\u{1b}P+q544e\u{1b}\\\u{8}\u{8}\u{7f}",
    "\r\n\r\nInjected: header",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_people_and_mailboxes_are_ascii() {
        let one = Population::generate(42, 2000, 100);
        assert_eq!(one, Population::generate(42, 2000, 100));
        assert_ne!(one, Population::generate(43, 2000, 100));
        assert_eq!((one.people.len(), one.companies.len()), (2000, 100));
        assert!(one.people.iter().all(|person| person.email.is_ascii() && person.phone.starts_with('+')));
        assert!(one.people.iter().any(|person| person.last_name.chars().count() == 200));
        for needle in ["O'Brien", "Łukasz", "山田", "🌸"] {
            let found = |person: &&Person| person.first_name.contains(needle) || person.last_name.contains(needle);
            assert!(one.people.iter().any(|person| found(&person)), "{needle}");
        }
        let names: BTreeSet<&str> = one.companies.iter().map(|company| company.name.as_str()).collect();
        assert_eq!(names.len(), 100);
    }

    #[test]
    fn addresses_are_shared_only_within_a_family() {
        let population = Population::generate(7, 3000, 10);
        let mut by_mail = std::collections::BTreeMap::<&str, Vec<&Person>>::new();
        for person in &population.people {
            by_mail.entry(&person.email).or_default().push(person);
        }
        let shared: Vec<_> = by_mail.values().filter(|people| people.len() > 1).collect();
        assert!(!shared.is_empty());
        for family in shared {
            assert!(family.windows(2).all(|pair| pair[0].last_name == pair[1].last_name));
        }
    }

    #[test]
    fn sides_overlap_conflict_and_double() {
        let population = Population::generate(1, 1000, 50);
        let sides = population.sides(1);
        let ivvy: BTreeSet<usize> = sides.ivvy.people.iter().map(|person| person.origin).collect();
        let crm: BTreeSet<usize> = sides.crm.people.iter().map(|person| person.origin).collect();
        let both = ivvy.intersection(&crm).count();
        assert!((330..470).contains(&both), "{both}");
        assert_eq!(ivvy.union(&crm).count(), 1000);
        assert!(sides.crm.people.len() > crm.len(), "doubles");
        let conflicts = sides
            .crm
            .people
            .iter()
            .filter(|twin| ivvy.contains(&twin.origin) && twin.phone != population.people[twin.origin].phone)
            .count();
        assert!(conflicts > 20, "{conflicts}");
        for side in [&sides.ivvy, &sides.crm] {
            assert!(side.people.iter().filter_map(|person| person.company).all(|index| index < side.companies.len()));
        }
    }

    #[test]
    fn hostile_text_is_everywhere_but_in_addresses() {
        let population = Population::generate(1, 100, 20).hostile(9);
        let bad = |text: &str| text.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{2069}').contains(&c));
        assert!(population.people.iter().filter(|p| bad(&p.first_name) || bad(&p.last_name)).count() == 20);
        assert!(population.companies.iter().any(|company| bad(&company.name)));
        assert!(!population.people.iter().any(|person| bad(&person.email)));
    }
}
