//! The diff pane: Field · Base · iVvy · CRM · Result, the reason below, candidates and history.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::layout::Room;
use super::paint::{Brush, Spans, lines, width};
use super::{log, time};
use crate::model::plan::Candidate;
use crate::model::{Choice, FieldPlan, Side, Value, Verdict};
use crate::text::{Changed, Safe, word_diff};
use crate::tui::app::App;
use crate::tui::theme::Tone;
use crate::tui::triage::Pane;
use crate::wire::{ItemView, SideNames};

/// Characters of a value looked at in a cell; Enter shows the whole.
const CELL_LIMIT: usize = 1_200;

/// Height from which the reason has lines of its own.
const TALL: u16 = 16;

/// Lines one value takes at most.
const CELL_LINES: usize = 3;

pub(super) fn draw(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect) {
    let Some(view) = app.triage.view() else {
        let text = match app.triage.wanted() {
            Some(id) => format!("  loading #{id}{}", brush.signs.more),
            None if app.queue.loaded() => "  Nothing is open. Choose an item in the queue (2).".to_owned(),
            None => format!("  looking for something to decide{}", brush.signs.more),
        };
        lines(frame, area, [Line::from(brush.say(Tone::Dim, text))]);
        return;
    };
    let room = Room::of(area.width);
    let columns = usize::from(area.width);
    // On a very low screen the fields matter more than where they come from; on a tall one the
    // reason is said in full.
    let mut head = vec![title(brush, view, columns, area.height < TALL)];
    if area.height >= TALL {
        head.extend(reasons(brush, view, columns));
    }
    if area.height >= 10 {
        head.push(records(app, brush, view, columns));
    }
    let above = u16::try_from(head.len()).unwrap_or(area.height).min(area.height);
    lines(frame, area, head);
    let rest = Rect { y: area.y + above, height: area.height.saturating_sub(above), ..area };
    // On a tall screen the history has a place of its own; on a small one Tab leads there.
    let history = if rest.height >= 24 && app.triage.pane == Pane::Fields { 6 } else { 0 };
    let main = Rect { height: rest.height - history, ..rest };
    match app.triage.pane {
        Pane::Fields if view.item.plan.fields.is_empty() && !view.item.plan.candidates.is_empty() => {
            candidates(app, brush, frame, view, main);
        }
        Pane::Fields => fields(app, brush, frame, view, main, room),
        Pane::Candidates => candidates(app, brush, frame, view, main),
        Pane::History => events(app, brush, frame, view, main, true),
    }
    if history > 0 {
        let below = Rect { y: rest.bottom() - history, height: history, ..rest };
        events(app, brush, frame, view, below, false);
    }
}

fn title(brush: Brush<'_>, view: &ItemView, columns: usize, with_reason: bool) -> Line<'static> {
    let item = &view.item;
    let mut spans: Spans = vec![
        brush.say(Tone::Dim, format!(" #{} {} ", item.id, item.module.singular())),
        brush.say(Tone::state(item.state), format!("{} {} ", item.state.glyph(), item.state)),
    ];
    let left = columns.saturating_sub(width(&spans));
    let name = Safe::limited(&item.title, 300);
    if !with_reason {
        spans.extend(brush.fit(Tone::Title, &name, left));
        return Line::from(spans);
    }
    let name_columns = name.width().min(left).min(40.max(left / 2));
    spans.extend(brush.fit(Tone::Title, &name, name_columns));
    let left = columns.saturating_sub(width(&spans) + 2);
    spans.push(Span::raw("  "));
    let (said, tone) = said(brush.names, view);
    spans.extend(brush.fit(tone, &said, left));
    Line::from(spans)
}

/// Why the item waits, over as many lines as that takes, but never more than three.
fn reasons(brush: Brush<'_>, view: &ItemView, columns: usize) -> Vec<Line<'static>> {
    let (said, tone) = said(brush.names, view);
    let columns = columns.saturating_sub(2);
    let mut rows = crate::text::wrap(said.as_str(), columns);
    if rows.len() > CELL_LINES {
        let rest = rows.split_off(CELL_LINES - 1).join(" ");
        rows.push(rest);
    }
    let line = |row: String| Line::from([vec![Span::raw(" ")], brush.fit(tone, &Safe::new(&row), columns)].concat());
    rows.into_iter().map(line).collect()
}

/// The reason in words: what went wrong first, and what may help.
fn said(names: &SideNames, view: &ItemView) -> (Safe, Tone) {
    let item = &view.item;
    let reasons: Vec<&str> = item.reasons.iter().map(crate::model::Reason::explain).collect();
    let said = if reasons.is_empty() { item.plan.summary.clone() } else { reasons.join("; ") };
    let mut said = names.say(&said).into_owned();
    if let Some(pending) = &item.pending {
        said = format!("{}; {said}", pending.sentence());
    }
    if let Some(awaited) = &view.waits_for {
        said = format!("{}; {said}", awaited.sentence());
    }
    if let Some(error) = &item.error {
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        said = format!("{}{hint}; {said}", error.message);
    }
    let tone = if item.error.is_some() { Tone::Error } else { Tone::Warn };
    (Safe::limited(&said, 600), tone)
}

fn records(app: &App, brush: Brush<'_>, view: &ItemView, columns: usize) -> Line<'static> {
    let plan = &view.item.plan;
    let side = |side: Side, id: &Option<crate::model::RecordId>, at: Option<crate::model::Timestamp>| {
        let id = id.as_ref().map_or_else(|| "no record yet".to_owned(), |id| id.to_string());
        let at = at.map(|at| format!(", changed {}", time::stamp(&app.settings.zone, at, app.now))).unwrap_or_default();
        let by = view.authors.get(&side).map(|author| format!(" by {author}")).unwrap_or_default();
        format!("{} {id}{at}{by}", brush.names.of(side))
    };
    let mut text = format!(
        " {}   {}   version {}",
        side(Side::Ivvy, &plan.ivvy, view.ivvy_modified),
        side(Side::Crm, &plan.crm, view.crm_modified),
        view.item.ver
    );
    if let Some(assigned) = &view.item.assigned {
        text += &format!("   {} is on it", assigned.who);
    }
    Line::from(brush.fit(Tone::Dim, &Safe::limited(&text, 400), columns))
}

fn fields(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, view: &ItemView, area: Rect, room: Room) {
    // The base folds away where room is short; b turns that round.
    let grid = Grid::of(area.width, room, (room == Room::Wide) != app.triage.flip_base);
    let why = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
    let titles = grid.titles(brush);
    let above = titles.iter().len() as u16;
    let list = Rect { y: area.y + above, height: area.height.saturating_sub(above + 1), ..area };
    lines(frame, area, titles);
    let blocks: Vec<Vec<Line<'static>>> = app
        .triage
        .rows()
        .enumerate()
        .map(|(at, row)| {
            let name = Safe::limited(&app.field_title(view.item.module, &row.field), 60);
            grid.field(app, brush, row, &name, at == app.triage.cursor())
        })
        .collect();
    if blocks.is_empty() {
        lines(frame, list, [Line::from(brush.say(Tone::Dim, "  No field differs. f shows all of them."))]);
    }
    let top = first_block(&blocks, app.triage.cursor(), usize::from(list.height));
    lines(frame, list, blocks.into_iter().skip(top).flatten());
    if let Some(row) = app.triage.selected() {
        lines(frame, why, [reason_line(app, brush, row, usize::from(area.width))]);
    }
}

/// The first block to draw so that the one under the cursor is whole.
fn first_block(blocks: &[Vec<Line<'_>>], cursor: usize, height: usize) -> usize {
    let mut used = 0;
    let upto = blocks.len().min(cursor + 1);
    for (at, block) in blocks.iter().enumerate().take(upto).rev() {
        used += block.len();
        if used > height {
            return (at + 1).min(cursor);
        }
    }
    0
}

fn reason_line(app: &App, brush: Brush<'_>, row: &FieldPlan, columns: usize) -> Line<'static> {
    // First, because the end of the line is what gives way.
    let cut = if app.is_cut(row) { " Cut here; Enter reads it whole." } else { "" };
    let mut text = format!("{cut} {}", brush.names.say(crate::merge::explain::sentence(row)));
    if app.triage.is_refused(row) {
        text = format!("{cut} This is what was refused; e sets a value.{}", text.trim_start_matches(cut));
    }
    if row.moved {
        text += " The values moved since you last looked.";
    }
    match (app.triage.draft(row), &row.choice) {
        (Some(_), _) => text += " Your choice is not sent yet; a approves.",
        (None, Some(_)) => text += " A choice is stored with the item.",
        (None, None) => {}
    }
    let tone = match (app.triage.is_refused(row), app.triage.unsolved(row)) {
        (true, _) => Tone::Error,
        (_, true) => Tone::DiffUnsolved,
        _ => Tone::Dim,
    };
    Line::from(brush.fit(tone, &Safe::new(&text), columns))
}

/// Widths of the columns. Zero leaves one out; `stacked` puts the values below each other.
struct Grid {
    stacked: bool,
    name: usize,
    base: usize,
    value: usize,
    whole: usize,
}

impl Grid {
    fn of(width: u16, room: Room, show_base: bool) -> Self {
        let width = usize::from(width);
        let name = if room == Room::Wide { 18 } else { 14 };
        let values = if show_base { 4 } else { 3 };
        let value = width.saturating_sub(name + 5) / values;
        let value = value.saturating_sub(1);
        Self { stacked: room == Room::Narrow, name, base: if show_base { value } else { 0 }, value, whole: width }
    }

    fn titles(&self, brush: Brush<'_>) -> Option<Line<'static>> {
        if self.stacked {
            return None;
        }
        let mut spans: Spans = vec![Span::raw("    ")];
        let names = [
            (Tone::Dim, "Field", self.name),
            (Tone::DiffBase, "Base", self.base),
            (Tone::DiffIvvy, brush.names.of(Side::Ivvy), self.value),
            (Tone::DiffCrm, "CRM", self.value),
            (Tone::DiffResult, "Result", self.value),
        ];
        for (tone, title, columns) in names.into_iter().filter(|(_, _, columns)| *columns > 0) {
            spans.extend(brush.word(tone, title, columns));
            spans.push(Span::raw(" "));
        }
        Some(Line::from(spans))
    }

    fn field(&self, app: &App, brush: Brush<'_>, row: &FieldPlan, name: &Safe, here: bool) -> Vec<Line<'static>> {
        let shown = Shown::of(app, row);
        let (sign, sign_tone) = sign(app, brush, row);
        let moved = if row.moved { brush.say(Tone::DiffMoved, "~") } else { Span::raw(" ") };
        let lead = vec![brush.marker(here), moved, brush.say(sign_tone, sign), Span::raw(" ")];
        if self.stacked {
            return self.stack(brush, &shown, lead, name);
        }
        let blank = vec![Span::raw(" ".repeat(4))];
        let mut cells = vec![(self.name, brush.block(Tone::Title, name, |_| false, self.name, CELL_LINES))];
        if self.base > 0 {
            cells.push((self.base, brush.block(Tone::DiffBase, &shown.base, |_| false, self.base, CELL_LINES)));
        }
        cells.push((
            self.value,
            brush.block(Tone::DiffIvvy, &shown.ivvy, |at| shown.ivvy_changed(at), self.value, CELL_LINES),
        ));
        cells.push((
            self.value,
            brush.block(Tone::DiffCrm, &shown.crm, |at| shown.crm_changed(at), self.value, CELL_LINES),
        ));
        cells.push((self.value, brush.block(shown.result_tone, &shown.result, |_| false, self.value, CELL_LINES)));
        let height = cells.iter().map(|(_, cell)| cell.len()).max().unwrap_or(1);
        (0..height)
            .map(|at| {
                let mut spans = if at == 0 { lead.clone() } else { blank.clone() };
                for (columns, cell) in &cells {
                    match cell.get(at) {
                        Some(line) => spans.extend(line.iter().cloned()),
                        None => spans.push(Span::raw(" ".repeat(*columns))),
                    }
                    spans.push(Span::raw(" "));
                }
                Line::from(spans)
            })
            .collect()
    }

    fn stack(&self, brush: Brush<'_>, shown: &Shown, lead: Spans, name: &Safe) -> Vec<Line<'static>> {
        let room = self.whole.saturating_sub(11);
        let mut first = lead;
        first.extend(brush.fit(Tone::Title, name, self.whole.saturating_sub(4)));
        let mut rows = vec![Line::from(first)];
        let mut value = |label: &str, block: Vec<Spans>| {
            for (at, line) in block.into_iter().enumerate() {
                let lead = if at == 0 { label } else { "" };
                let mut spans = vec![brush.say(Tone::Dim, format!("    {lead:<7}"))];
                spans.extend(line);
                rows.push(Line::from(spans));
            }
        };
        if self.base > 0 {
            value("Base", brush.block(Tone::DiffBase, &shown.base, |_| false, room, 2));
        }
        value(
            brush.names.of(Side::Ivvy),
            brush.block(Tone::DiffIvvy, &shown.ivvy, |at| shown.ivvy_changed(at), room, 2),
        );
        value("CRM", brush.block(Tone::DiffCrm, &shown.crm, |at| shown.crm_changed(at), room, 2));
        value("Result", brush.block(shown.result_tone, &shown.result, |_| false, room, 2));
        rows
    }
}

/// One letter for what happens to the field.
fn sign(app: &App, brush: Brush<'_>, row: &FieldPlan) -> (&'static str, Tone) {
    match (app.triage.choice(row), row.verdict) {
        (Some(Choice::Ivvy), _) => (brush.signs.to_crm, Tone::DiffResult),
        (Some(Choice::Crm), _) => (brush.signs.to_ivvy, Tone::DiffResult),
        (Some(Choice::Each { .. } | Choice::Keep), _) => ("<>", Tone::DiffResult),
        (Some(Choice::Custom(_)), _) => ("e", Tone::DiffResult),
        (None, _) if app.triage.is_refused(row) => ("!", Tone::Error),
        (None, Verdict::Conflict) => ("?", Tone::DiffUnsolved),
        (None, Verdict::ToCrm) => (brush.signs.to_crm, Tone::DiffIvvy),
        (None, Verdict::ToIvvy) => (brush.signs.to_ivvy, Tone::DiffCrm),
        (None, Verdict::Merge) => ("&", Tone::DiffResult),
        (None, Verdict::Agree | Verdict::Same) => ("=", Tone::Dim),
    }
}

/// The texts of one row, sanitised, with what changed in them.
struct Shown {
    base: Safe,
    ivvy: Safe,
    crm: Safe,
    result: Safe,
    result_tone: Tone,
    ivvy_diff: Changed,
    crm_diff: Changed,
    against_base: bool,
}

impl Shown {
    fn of(app: &App, row: &FieldPlan) -> Self {
        let text = |value: Option<&Value>, absent: &str| match value {
            None => Safe::new(absent),
            Some(Value::Null) => Safe::new("(none)"),
            Some(value) if value.is_empty() => Safe::new("(empty)"),
            Some(value) => Safe::limited(&value.to_string(), CELL_LIMIT),
        };
        let base = row.base_ivvy.as_ref().or(row.base_crm.as_ref());
        let against_base = base.is_some();
        let (base, ivvy) = (text(base, ""), text(row.ivvy.as_ref(), "(not sent)"));
        let crm = text(row.crm.as_ref(), "(not sent)");
        // With a base each side shows what it changed; without one, how the sides differ.
        let (ivvy_diff, crm_diff) = match against_base {
            true => (word_diff(base.as_str(), ivvy.as_str()), word_diff(base.as_str(), crm.as_str())),
            false => {
                let both = word_diff(ivvy.as_str(), crm.as_str());
                (both.clone(), both)
            }
        };
        let result = app.triage.result(row);
        let (result, result_tone) = match result {
            _ if app.triage.unsolved(row) => (Safe::new("? choose i, c or e"), Tone::DiffUnsolved),
            None if matches!(app.triage.choice(row), Some(Choice::Each { .. } | Choice::Keep)) => {
                let on = |side: Side| text(row.result_on(side), "(none)");
                (
                    Safe::new(&format!(
                        "{} {} · CRM {}",
                        app.hello.sides.of(Side::Ivvy),
                        on(Side::Ivvy),
                        on(Side::Crm)
                    )),
                    Tone::DiffResult,
                )
            }
            Some(value) => (text(Some(value), ""), Tone::DiffResult),
            None => (Safe::new(""), Tone::Dim),
        };
        Self { base, ivvy, crm, result, result_tone, ivvy_diff, crm_diff, against_base }
    }

    fn ivvy_changed(&self, at: usize) -> bool {
        if self.against_base { self.ivvy_diff.in_right(at) } else { self.ivvy_diff.in_left(at) }
    }

    fn crm_changed(&self, at: usize) -> bool {
        self.crm_diff.in_right(at)
    }
}

fn candidates(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, view: &ItemView, area: Rect) {
    let focused = app.triage.pane == Pane::Candidates;
    let title = if focused {
        "  Possible counterparts; Enter pairs, Tab: fields"
    } else {
        "  Possible counterparts; Tab goes there"
    };
    let columns = usize::from(area.width);
    let blocks: Vec<Vec<Line<'static>>> = (0..view.item.plan.candidates.len())
        .map(|at| candidate(brush, view, at, focused && at == app.triage.cursor(), columns))
        .collect();
    lines(frame, area, [Line::from(brush.say(Tone::Dim, title))]);
    let list = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let top = if focused { first_block(&blocks, app.triage.cursor(), usize::from(list.height)) } else { 0 };
    lines(frame, list, blocks.into_iter().skip(top).flatten());
}

/// A candidate: what it is called and, below, what tells it from the others and who has it already.
fn candidate(brush: Brush<'_>, view: &ItemView, at: usize, here: bool, columns: usize) -> Vec<Line<'static>> {
    let Some(candidate) = view.item.plan.candidates.get(at) else { return Vec::new() };
    let named = |one: &Candidate| format!("{} {}  {}", brush.names.of(one.side), one.id, one.title);
    let mut spans = vec![brush.marker(here), Span::raw(" ")];
    spans.extend(brush.fit(Tone::Text, &Safe::limited(&named(candidate), 300), columns.saturating_sub(2)));
    let mut rows = vec![Line::from(spans)];
    let Some(known) = view.candidates.get(at) else { return rows };
    let mut below = |tone, text: &str| {
        let text = brush.fit(tone, &Safe::limited(text, 400), columns.saturating_sub(4));
        rows.push(Line::from([vec![Span::raw("    ")], text].concat()));
    };
    if let Some(other) = &known.paired {
        below(Tone::Warn, &format!("paired with {}", named(other)));
    }
    match known.facts.is_empty() {
        true => below(Tone::Dim, "nothing more is known of it"),
        false => below(Tone::Dim, &known.facts.join(", ")),
    }
    rows
}

fn events(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, view: &ItemView, area: Rect, focused: bool) {
    let room = Room::of(area.width);
    let columns = usize::from(area.width).saturating_sub(2);
    let skip = if focused { (app.triage.cursor() + 2).saturating_sub(usize::from(area.height)) } else { 0 };
    let rows = view.history.iter().enumerate().skip(skip).map(|(at, entry)| {
        let mut spans = vec![brush.marker(focused && at == app.triage.cursor()), Span::raw(" ")];
        spans.extend(log::row(app, brush, entry, room, columns));
        Line::from(spans)
    });
    lines(frame, area, std::iter::once(Line::from(brush.say(Tone::Dim, "  History, newest first"))).chain(rows));
}
