//! Batches (contract 8): many calls in one, answered later.
//!
//! The jobs run at once but in no order; their answers are withheld until the batch is said to be done.
//! When it is, they are also posted to the caller's address, unsigned.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::actions::{Action, Context};
use super::answer::Refusal;
use super::listing::scatter;
use super::params::{Form, Params};
use super::post::Letter;
use crate::model::Timestamp;

/// Most jobs in one batch.
const MOST: usize = 200;

/// How long results are kept.
const KEPT: Duration = Duration::from_secs(2 * 24 * 3600);

pub(super) const ACTIONS: &[Action] = &[
    Action::call("batch", "run", run),
    Action::call("batch", "progress", progress),
    Action::call("batch", "results", results),
    Action::call("batch", "restart", restart),
    Action::call("batch", "repost", repost),
];

/// A batch that was taken.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    since: Timestamp,
    done: Timestamp,
    callback: String,
    jobs: Vec<Job>,
    results: Value,
}

fn run(params: &Params<'_>, context: Context<'_>) -> Result<Value, Refusal> {
    params.require(&["jobs", "callbackUrl"])?;
    if context.settings.strict_params {
        params.only(&["jobs", "callbackUrl"])?;
    }
    let jobs = params.items("jobs")?.ok_or_else(|| Refusal::required("jobs"))?;
    let callback = params.text("callbackUrl", Form::Filled)?.unwrap_or_default();
    if jobs.len() > MOST {
        return Err(Refusal::new(400, "There are more than 200 jobs").specific(24448));
    }
    let jobs = jobs.iter().map(Job::read).collect::<Result<Vec<_>, _>>()?;
    let (turn, salt) = (context.turn, context.settings.seed.wrapping_add(context.turn));
    let id = format!("{:016x}{:016x}", scatter(turn, salt), scatter(turn + 1, salt));
    start(id.clone(), jobs, callback, context);
    Ok(json!({ "asyncId": id }))
}

/// Runs the same jobs once more.
fn restart(params: &Params<'_>, context: Context<'_>) -> Result<Value, Refusal> {
    let (id, batch) = asked(params, &context, 24115)?;
    start(id, batch.jobs, batch.callback, context);
    Ok(json!({"restarted": true}))
}

fn start(id: String, mut jobs: Vec<Job>, callback: String, context: Context<'_>) {
    let Context { world, settings, denied, now, turn } = context;
    // No order is promised, so none is kept.
    let mut place = 0;
    jobs.sort_by_cached_key(|_| {
        place += 1;
        scatter(place, settings.seed.wrapping_add(turn))
    });
    let mut answered = Vec::with_capacity(jobs.len());
    for (index, job) in jobs.iter().enumerate() {
        let turn = turn.wrapping_add(index as u64);
        let context = Context { world: &mut *world, settings, denied, now, turn };
        let response = job.action(denied).and_then(|action| action.run(&job.params, context));
        answered.push(json!({
            "namespace": job.namespace,
            "action": job.action,
            "request": job.params,
            "response": response.unwrap_or_else(Refusal::into_body),
        }));
    }
    let batch = Batch { since: now, done: now.plus(settings.batch_time), callback, jobs, results: json!(answered) };
    world.outbox.put(batch.letter(&id));
    world.batches.insert(id, batch);
}

/// `{"progress": 0..100}`.
fn progress(params: &Params<'_>, context: Context<'_>) -> Result<Value, Refusal> {
    let (_, batch) = asked(params, &context, 24105)?;
    let (whole, part) = (batch.done.since(batch.since), context.now.since(batch.since));
    let share = if whole.is_zero() { 1.0 } else { part.as_secs_f64() / whole.as_secs_f64() };
    Ok(json!({"progress": (share * 100.0).min(100.0)}))
}

fn results(params: &Params<'_>, context: Context<'_>) -> Result<Value, Refusal> {
    let (id, batch) = asked(params, &context, 24115)?;
    if context.now < batch.done {
        return Err(Refusal::new(400, "The batch is not completed").specific(24114));
    }
    Ok(batch.answer(&id))
}

/// Posts the results once more.
fn repost(params: &Params<'_>, context: Context<'_>) -> Result<Value, Refusal> {
    let (id, batch) = asked(params, &context, 24115)?;
    context.world.outbox.put(batch.letter(&id));
    Ok(json!({"reposted": true}))
}

/// The batch asked about. Older ones are gone.
fn asked(params: &Params<'_>, context: &Context<'_>, unknown: u32) -> Result<(String, Batch), Refusal> {
    params.require(&["async"])?;
    if context.settings.strict_params {
        params.only(&["async"])?;
    }
    let id = params.text("async", Form::Free)?.unwrap_or_default();
    let kept = |batch: &&Batch| context.now.since(batch.done) <= KEPT;
    match context.world.batches.get(&id).filter(kept) {
        Some(batch) => Ok((id, batch.clone())),
        None => Err(Refusal::missing("batch", unknown)),
    }
}

impl Batch {
    fn answer(&self, id: &str) -> Value {
        json!({"asyncId": id, "results": self.results})
    }

    fn letter(&self, id: &str) -> Letter {
        Letter { due: self.done, url: self.callback.clone(), body: self.answer(id).to_string() }
    }
}

/// One call of a batch.
#[derive(Clone, Debug)]
struct Job {
    namespace: String,
    action: String,
    params: Map<String, Value>,
}

impl Job {
    /// 24092 for what is no job, 24093 for one with a part missing.
    fn read(job: &Value) -> Result<Self, Refusal> {
        let no_job = || Refusal::new(400, "A job has a bad format").specific(24092);
        let job = job.as_object().ok_or_else(no_job)?;
        let text = |name: &str| match job.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(Value::String(_) | Value::Null) | None => {
                Err(Refusal::new(400, "A parameter of a job is empty").specific(24093))
            }
            Some(_) => Err(no_job()),
        };
        let params = match job.get("params") {
            Some(Value::Object(params)) => params.clone(),
            Some(Value::Array(none)) if none.is_empty() => Map::new(),
            None | Some(Value::Null) => Map::new(),
            Some(_) => return Err(no_job()),
        };
        Ok(Self { namespace: text("namespace")?, action: text("action")?, params })
    }

    /// What it calls. A batch inside a batch is refused as unknown.
    fn action(&self, denied: &BTreeSet<String>) -> Result<&'static Action, Refusal> {
        match Action::find(&self.namespace, &self.action).filter(|action| action.namespace != "batch") {
            None => Err(Refusal::new(404, "Unknown action")),
            Some(action) if denied.contains(action.name) => Err(Refusal::new(403, "Forbidden")),
            Some(action) => Ok(action),
        }
    }
}
