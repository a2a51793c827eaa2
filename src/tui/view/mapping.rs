//! The field map over the body: iVvy's fields on the left, the CRM's on the right, mapped ones joined; and
//! the dialog that asks for a counterpart.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::layout::Room;
use super::paint::{Brush, lines};
use crate::model::{FieldDefinition, Flow, Side};
use crate::text::{Safe, wrap};
use crate::tui::app::mapping::{flow_words, transform_words};
use crate::tui::mapping::{Choosing, Mapping, Row, kind_word};
use crate::tui::theme::Tone;
use crate::wire::{MapLine, MapOrigin, MapView, SideNames};

/// Characters of a label looked at per row.
const LABEL_LIMIT: usize = 120;

pub(super) fn draw(brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect, mapping: &Mapping, crm: &str) {
    let columns = usize::from(area.width);
    let Some(view) = &mapping.view else {
        lines(frame, area, [Line::from(brush.say(Tone::Dim, format!("asking both systems{}", brush.signs.more)))]);
        return;
    };
    let (tone, head) = head(view, brush.names, crm);
    let left_out = view.left_out.mapped + view.left_out.fields.values().sum::<u64>();
    let more =
        if left_out > 0 { format!(" · {} more not shown", super::time::count(left_out)) } else { String::new() };
    let head = head + &more;
    lines(frame, area, [Line::from(brush.fit(tone, &Safe::limited(&head, 400), columns))]);
    let below = (area.height / 4).clamp(1, 5);
    let list = Rect { y: area.y + 1, height: area.height.saturating_sub(1 + below), ..area };
    let rows = mapping.rows();
    if rows.is_empty() {
        lines(frame, list, [Line::from(brush.say(Tone::Dim, "Neither side has a field that could be mapped."))]);
        return;
    }
    let height = usize::from(list.height).max(1);
    let top = (mapping.cursor() + 1).saturating_sub(height);
    let shown = rows.iter().enumerate().skip(top).take(height);
    lines(frame, list, shown.map(|(at, row)| line(brush, mapping, *row, at == mapping.cursor(), columns)));
    if let Some(row) = mapping.current() {
        let (tone, text) = about(row);
        let text = Safe::limited(&text, 1_000);
        let area = Rect { y: list.bottom(), height: below, ..area };
        lines(frame, area, wrap(text.as_str(), columns).into_iter().map(|row| Line::from(brush.say(tone, row))));
    }
}

/// The version, or what keeps the map from being known.
fn head(view: &MapView, names: &SideNames, crm: &str) -> (Tone, String) {
    if let Some((side, error)) = view.errors.iter().next() {
        return (Tone::Error, format!("{}'s fields are not known: {error}", names.of(*side)));
    }
    let faults = view.mapped.iter().filter(|line| line.findings.iter().any(|finding| finding.fault)).count();
    if faults > 0 {
        return (Tone::Error, format!("{faults} mapped field(s) no longer fit"));
    }
    let version = match (&view.last, view.version == view.in_force) {
        (None, _) => "nothing mapped here yet".to_owned(),
        (Some(last), true) => format!("version {} by {}", view.version, last.by.name),
        (Some(_), false) => format!("version {} is being taken up", view.version),
    };
    (Tone::Dim, format!("{version} · {}'s fields, {crm}'s fields", names.of(Side::Ivvy)))
}

/// Sign and tone of a row's state; the words stand below the list.
fn sign(row: Row<'_>) -> (Tone, &'static str) {
    match row {
        Row::Mapped(line) if line.findings.iter().any(|finding| finding.fault) => (Tone::Error, "!"),
        Row::Mapped(line) if !line.findings.is_empty() => (Tone::Warn, "~"),
        Row::Mapped(_) => (Tone::Good, "="),
        Row::Ivvy(_, Some(_)) => (Tone::Key, "?"),
        Row::Ivvy(..) | Row::Crm(_) => (Tone::Dim, " "),
    }
}

fn line(brush: Brush<'_>, mapping: &Mapping, row: Row<'_>, here: bool, columns: usize) -> Line<'static> {
    let (tone, mark) = sign(row);
    let mut spans = vec![brush.marker(here), brush.say(tone, mark), Span::raw(" ")];
    let half = columns.saturating_sub(8) / 2;
    let rest = columns.saturating_sub(8 + half);
    let narrow = Room::of(u16::try_from(columns).unwrap_or(u16::MAX)) == Room::Narrow;
    let cell = |definition: &FieldDefinition| match narrow {
        true => definition.title.clone(),
        false => format!("{} {} ({})", definition.name, definition.title, kind_word(definition)),
    };
    let named =
        |side: Side, name: &str| mapping.definition(side, name).map_or_else(|| format!("{name} (not there)"), &cell);
    let (left, between, right) = match row {
        Row::Mapped(line) => (
            (Tone::Text, named(Side::Ivvy, &line.field.ivvy.to_string())),
            (tone, arrow(line.field.flow)),
            (Tone::Text, named(Side::Crm, &line.field.crm)),
        ),
        Row::Ivvy(definition, suggested) => (
            (Tone::Text, cell(definition)),
            (Tone::Dim, " "),
            (Tone::Dim, suggested.map(|found| format!("perhaps {}", found.crm)).unwrap_or_default()),
        ),
        Row::Crm(definition) => ((Tone::Dim, String::new()), (Tone::Dim, " "), (Tone::Text, cell(definition))),
    };
    spans.extend(brush.fit(left.0, &Safe::limited(&left.1, LABEL_LIMIT), half));
    spans.extend(brush.word(between.0, &format!(" {between}", between = between.1), 5));
    spans.extend(brush.fit(right.0, &Safe::limited(&right.1, LABEL_LIMIT), rest));
    Line::from(spans)
}

fn arrow(flow: Flow) -> &'static str {
    match flow {
        Flow::Both => "<->",
        Flow::ToCrm => "-->",
        Flow::ToIvvy => "<--",
    }
}

/// What is to be said of the row under the cursor.
fn about(row: Row<'_>) -> (Tone, String) {
    match row {
        Row::Mapped(line) => (sign(row).0, about_mapped(line)),
        Row::Ivvy(definition, Some(found)) => (
            Tone::Text,
            format!(
                "Not mapped. Perhaps {}, {} % alike; {} would be {}.",
                found.crm,
                found.alike,
                definition.title,
                found.kind.words()
            ),
        ),
        Row::Ivvy(definition, None) | Row::Crm(definition) => {
            let written = if definition.writable { "" } else { "; it cannot be written there" };
            (Tone::Dim, format!("{}: not mapped, {}{written}.", definition.title, kind_word(definition)))
        }
    }
}

fn about_mapped(line: &MapLine) -> String {
    let field = &line.field;
    let found = match line.findings.is_empty() {
        true => "Fits".to_owned(),
        false => line.findings.iter().map(|finding| finding.text.as_str()).collect::<Vec<_>>().join("; "),
    };
    let from = match line.origin {
        MapOrigin::Configuration => " · from the configuration",
        MapOrigin::Store => "",
    };
    let default = field.default.as_ref().map(|value| format!(" · default {value}")).unwrap_or_default();
    let way = format!("{}{}{default}", flow_words(field.flow), transform_words(&field.transform));
    format!("{found} · {}: {way}, {}{from}", field.name, field.kind.words())
}

/// The inside of the dialog that asks for a counterpart.
pub(super) fn choosing(brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect, choosing: &Choosing) {
    let columns = usize::from(area.width);
    let mut rows = vec![Line::from(brush.fit(Tone::Title, &Safe::limited(&choosing.title, LABEL_LIMIT), columns))];
    let found = choosing.found();
    if found.is_empty() {
        rows.push(Line::from(brush.say(Tone::Dim, "Nothing of that name is left to map.")));
    }
    let height = usize::from(area.height).saturating_sub(1);
    let top = choosing.selected.map_or(0, |at| (at + 1).saturating_sub(height));
    rows.extend(found.iter().enumerate().skip(top).take(height).map(|(at, offer)| {
        let mut spans = vec![brush.marker(choosing.selected == Some(at)), Span::raw(" ")];
        let tone = if offer.fits { Tone::Text } else { Tone::Disabled };
        let note = match (offer.alike, offer.fits) {
            (0, true) => offer.kind().to_owned(),
            (0, false) => format!("{}: no", offer.kind()),
            (alike, _) => format!("{alike} % alike"),
        };
        let right = if columns >= 50 { 18 } else { 12 };
        let name = format!("{} {}", offer.field.title, offer.field.name);
        spans.extend(brush.fit(tone, &Safe::limited(&name, LABEL_LIMIT), columns.saturating_sub(right + 3)));
        spans.push(Span::raw(" "));
        spans.extend(brush.word(if offer.alike > 0 { Tone::Key } else { Tone::Dim }, &note, right));
        Line::from(spans)
    }));
    lines(frame, area, rows);
}
