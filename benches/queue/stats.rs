//! Samples, the table they end in, and what the kernel says of this process.

use std::fmt;
use std::time::{Duration, Instant};

/// Times of one thing done many times.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// One thing after the other: sample by sample.
    pub fn plus(&self, then: &Self) -> Self {
        Self(self.0.iter().zip(&then.0).map(|(one, other)| *one + *other).collect())
    }

    /// The value `per_cent` of the samples do not exceed.
    pub fn percentile(&self, per_cent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * per_cent).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }

    /// How often a second, were they done one after the other.
    pub fn per_second(&self, units: usize) -> f64 {
        let total: Duration = self.0.iter().sum();
        (self.0.len() * units) as f64 / total.as_secs_f64().max(1e-9)
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", ms(self.percentile(50)), ms(self.percentile(99)))
    }
}

/// Milliseconds with as many digits as carry meaning.
pub fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        ms if ms < 0.1 => format!("{ms:.3}"),
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms => format!("{ms:.0}"),
    }
}

/// Takes `count` samples of `what`.
pub fn sample<E>(count: usize, mut what: impl FnMut(usize) -> Result<(), E>) -> Result<Samples, E> {
    let mut samples = Samples::default();
    for n in 0..count {
        let start = Instant::now();
        what(n)?;
        samples.push(start.elapsed());
    }
    Ok(samples)
}

/// The rows of the result, printed as Markdown so that they can be kept in `docs/PERFORMANCE.md`.
#[derive(Debug, Default)]
pub struct Table(Vec<[String; 6]>);

impl Table {
    pub fn heading(&mut self, text: &str) {
        self.0.push([format!("**{text}**"), String::new(), String::new(), String::new(), String::new(), String::new()]);
    }

    /// Times against the floor's times; the ratio is of the medians.
    pub fn times(&mut self, what: &str, ours: &Samples, floor: Option<&Samples>, goal: &Goal) {
        let p50 = ours.percentile(50).as_secs_f64();
        let ratio = floor.map(|floor| p50 / floor.percentile(50).as_secs_f64().max(1e-9));
        let met = match *goal {
            Goal::P99(limit) => Some(ours.percentile(99) <= limit),
            Goal::Times(limit) => ratio.map(|ratio| ratio <= limit),
            Goal::None | Goal::Most(_) | Goal::Least(_) => None,
        };
        let what = format!("{what} ({} samples)", ours.len());
        let floor = floor.map_or_else(|| "–".to_owned(), Samples::to_string);
        self.push(what, ours.to_string(), floor, ratio, goal, met);
    }

    /// Numbers against the floor's number.
    pub fn numbers(&mut self, what: &str, ours: f64, floor: Option<f64>, goal: &Goal) {
        let ratio = floor.map(|floor| ours / floor.max(1e-9));
        let met = match *goal {
            Goal::Most(limit) => Some(ours <= limit),
            Goal::Least(limit) => ratio.map(|ratio| ratio >= limit),
            Goal::Times(limit) => ratio.map(|ratio| ratio <= limit),
            Goal::None | Goal::P99(_) => None,
        };
        let floor = floor.map_or_else(|| "–".to_owned(), whole);
        self.push(what.to_owned(), whole(ours), floor, ratio, goal, met);
    }

    fn push(&mut self, what: String, ours: String, floor: String, ratio: Option<f64>, goal: &Goal, met: Option<bool>) {
        let ratio = ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        let met = met.map_or("–", |met| if met { "yes" } else { "**no**" });
        self.0.push([what, ours, floor, ratio, goal.to_string(), met.to_owned()]);
    }
}

fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | Tandem | floor | ratio | goal | met |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        self.0.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

/// What was promised.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// Reported only.
    None,
    /// 99 of 100 within this time.
    P99(Duration),
    /// At most this many times the floor.
    Times(f64),
    /// At most this number.
    Most(f64),
    /// At least this share of the floor.
    Least(f64),
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("–"),
            Self::P99(limit) => write!(f, "p99 ≤ {} ms", limit.as_millis()),
            Self::Times(limit) => write!(f, "≤ {limit} × floor"),
            Self::Most(limit) => write!(f, "≤ {}", whole(*limit)),
            Self::Least(share) => write!(f, "≥ {:.0} % of floor", share * 100.0),
        }
    }
}

/// `VmRSS` and `VmHWM` of this process in KiB, as the kernel counts them.
pub fn memory() -> std::io::Result<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0)
    };
    Ok((field("VmRSS:"), field("VmHWM:")))
}

/// Processor time used by this process so far, in clock ticks of 10 ms.
pub fn ticks() -> std::io::Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Ok(number(11) + number(12))
}
