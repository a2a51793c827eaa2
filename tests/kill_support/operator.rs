//! An operator at the socket: decides this and that, and remembers what was acknowledged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tandem::client::Client;
use tandem::error::ErrorKind;
use tandem::model::{Item, ItemId, Kind, ModuleId, Reason, Side, State, Value, Verb, Verdict};
use tandem::seam::Entropy;
use tandem::wire::{Anchor, Answer, Decide, Filter, PageQuery, Request, Row};

use super::{Home, Town};

/// One decision as sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub item: ItemId,
    pub ver: u32,
    pub verb: Verb,
    pub acknowledged: bool,
    /// Edits made before it was sent.
    pub after_edit: u64,
    /// For a whole-record choice, per differing field: what was seen on the winning and the losing side.
    pub results: Results,
}

pub type Results = BTreeMap<String, (Value, Value)>;

#[derive(Debug)]
pub struct Operator {
    pub sent: Vec<Sent>,
    pub refused: u64,
    entropy: Entropy,
}

impl Operator {
    pub fn new(entropy: Entropy) -> Self {
        Self { sent: Vec::new(), refused: 0, entropy }
    }

    pub fn acknowledged(&self) -> usize {
        self.sent.iter().filter(|sent| sent.acknowledged).count()
    }

    /// Attaches as soon as somebody answers and decides until dropped.
    pub async fn work(&mut self, home: &Home, edits: impl Fn() -> u64) {
        loop {
            let client = home.client().await;
            while self.decide_something(&client, &edits).await.is_some() {
                tokio::time::sleep(self.entropy.duration_up_to(Duration::from_millis(80))).await;
            }
            // The connection broke; the next daemon may be there already.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// `None` when the connection is gone.
    async fn decide_something(&mut self, client: &Client, edits: &impl Fn() -> u64) -> Option<()> {
        if client.is_closed() {
            return None;
        }
        let states = [State::Held, State::Held, State::Ready, State::Skipped, State::Dead, State::Retry];
        let state = states[usize::try_from(self.entropy.below(states.len() as u64)).unwrap()];
        let rows = page(client, Filter { state: Some(state), ..Filter::default() }).await?;
        if rows.is_empty() {
            return Some(());
        }
        let row = &rows[usize::try_from(self.entropy.below(rows.len() as u64)).unwrap()];
        let Ok(Answer::Item(view)) = client.call(Request::Item { id: row.id }).await else {
            return (!client.is_closed()).then_some(());
        };
        let Some((decide, results)) = self.choose(&view.item) else { return Some(()) };
        self.send(client, decide, results, edits()).await
    }

    async fn send(&mut self, client: &Client, decide: Decide, results: Results, edits: u64) -> Option<()> {
        self.sent.push(Sent {
            item: decide.item,
            ver: decide.ver.unwrap(),
            verb: decide.verb,
            acknowledged: false,
            after_edit: edits,
            results,
        });
        match client.call(Request::Decide(decide)).await {
            Ok(Answer::Decided(_)) => {
                self.sent.last_mut().unwrap().acknowledged = true;
                Some(())
            }
            Ok(other) => panic!("{other:?}"),
            // Broken off: whether it was carried out is not known.
            Err(error) if client.is_closed() || error.error.kind == ErrorKind::Unavailable => None,
            Err(_) => {
                // Refused: nothing has happened, and nothing may turn up in the audit.
                self.sent.pop();
                self.refused += 1;
                Some(())
            }
        }
    }

    fn choose(&self, item: &Item) -> Option<(Decide, Results)> {
        let mut results = BTreeMap::new();
        let mut decide = plain(item, Verb::Skip);
        match item.state {
            State::Held if item.reasons.contains(Reason::Guard) || item.reasons.contains(Reason::Unproven) => {
                return None;
            }
            State::Held if item.kind == Kind::Link => match item.plan.candidates.first() {
                Some(candidate) => {
                    decide.verb = Verb::Pair;
                    decide.record = Some(candidate.id.clone());
                }
                None => return None,
            },
            State::Held => match self.entropy.below(6) {
                0 => {}
                1 => decide.verb = Verb::Edit,
                _ => {
                    decide.verb = Verb::Approve;
                    if item.kind == Kind::Update {
                        let side = Side::BOTH[usize::try_from(self.entropy.below(2)).unwrap()];
                        decide.side = Some(side);
                        for row in &item.plan.fields {
                            let differs = !matches!(row.verdict, Verdict::Same | Verdict::Agree);
                            if let (true, Some(wins), Some(loses)) = (differs, row.on(side), row.on(side.other())) {
                                results.insert(row.field.clone(), (wins.clone(), loses.clone()));
                            }
                        }
                        if self.entropy.chance(1, 4) {
                            decide.verb = Verb::Force;
                            decide.reason = Some("the test says so".to_owned());
                        }
                    }
                }
            },
            State::Ready => decide.verb = if self.entropy.chance(1, 2) { Verb::Hold } else { Verb::Claim },
            State::Skipped => decide.verb = Verb::Reopen,
            State::Dead | State::Retry => decide.verb = Verb::Retry,
            _ => return None,
        }
        Some((decide, results))
    }

    /// Helps everything on that only an operator can: releases guards, retries the dead and the waiting.
    /// Returns whether there was anything.
    pub async fn help(&mut self, client: &Client, edits: u64) -> bool {
        let mut helped = false;
        for module in ModuleId::PEOPLE {
            let Ok(Answer::Guard(plan)) = client.call(Request::GuardPlan { module }).await else { continue };
            if plan.tripped.is_some() {
                // Somebody may have been faster than our look; the next round looks again.
                let _ = client
                    .call(Request::GuardRelease { module, sample: None, expect: plan.held, plan: None, note: None })
                    .await;
                helped = true;
            }
        }
        for state in [State::Dead, State::Retry] {
            for row in page(client, Filter { state: Some(state), ..Filter::default() }).await.unwrap_or_default() {
                if let Ok(Answer::Item(view)) = client.call(Request::Item { id: row.id }).await
                    && view.item.state == state
                {
                    self.send(client, plain(&view.item, Verb::Retry), BTreeMap::new(), edits).await;
                    helped = true;
                }
            }
        }
        helped
    }
}

fn plain(item: &Item, verb: Verb) -> Decide {
    Decide {
        item: item.id,
        ver: Some(item.ver),
        seen: Some(item.seen),
        verb,
        choices: BTreeMap::new(),
        side: None,
        until: None,
        record: None,
        reason: None,
    }
}

async fn page(client: &Client, filter: Filter) -> Option<Vec<Row>> {
    match client.call(Request::Page(PageQuery { filter, anchor: Anchor::Start, limit: 200 })).await {
        Ok(Answer::Rows(rows)) => Some(rows.rows),
        _ => None,
    }
}

/// How long nothing may be under way before the idle sweeps are counted, and how long these are watched:
/// every side of every module is swept once a second, and what a first sweep caused shows in the second.
const SETTLED: Duration = Duration::from_millis(1_500);
const TWO_SWEEPS: Duration = Duration::from_millis(2_600);

/// Waits until nothing is under way; then two further sweeps of everything must write nothing.
pub async fn drain(home: &Home, town: &Town, operator: &mut Operator, edits: u64) {
    let client = home.client().await;
    let started = Instant::now();
    let mut quiet: Option<(Instant, usize)> = None;
    loop {
        let Ok(Answer::Status(status)) = client.call(Request::Status).await else {
            panic!("the daemon went away while it drained\n{}", home.tail());
        };
        let busy = [State::New, State::Ready, State::Inflight, State::Unknown, State::Retry, State::Dead];
        let working = status.modules.iter().any(|module| {
            let swept = module.cursor_lag_s.is_some_and(|lag| lag <= 2);
            module.state == "tripped"
                || !swept
                || module.last_error.is_some()
                || busy.iter().any(|state| module.counts.get(state).is_some_and(|count| *count > 0))
        });
        let effects = town.effects();
        let (since, before) = *quiet.get_or_insert_with(|| (Instant::now(), effects));
        if since.elapsed() > SETTLED {
            assert!(!working && effects == before, "something was done in idle sweeps\n{status:#?}\n{}", home.tail());
            if since.elapsed() > SETTLED + TWO_SWEEPS {
                return;
            }
        } else if working || effects != before {
            quiet = None;
            if working {
                operator.help(&client, edits).await;
            }
        }
        assert!(started.elapsed() < Duration::from_secs(240), "it does not drain\n{status:#?}\n{}", home.tail());
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}
