//! Dialogs over the body.

use ratatui::Frame;
use ratatui::layout::{Margin, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};

use super::layout::centred;
use super::paint::{Brush, lines};
use super::time;
use crate::model::Side;
use crate::text::{Safe, wrap};
use crate::tui::action::{Action, Tier};
use crate::tui::app::App;
use crate::tui::dialog::picker::Use;
use crate::tui::dialog::{Dialog, Field, Form, Guard, Input, Pairing, Picker, Report};
use crate::tui::theme::Tone;

pub(super) fn draw(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, body: Rect) {
    for dialog in &app.dialogs {
        match dialog {
            Dialog::Form(form) => draw_form(app, brush, frame, body, form),
            Dialog::Picker(picker) => draw_picker(app, brush, frame, body, picker),
            Dialog::Guard(guard) => draw_guard(app, brush, frame, body, guard),
            Dialog::Pairing(pairing) => draw_pairing(app, brush, frame, body, pairing),
            Dialog::Report(report) => draw_report(app, brush, frame, body, report),
            Dialog::Mapping(mapping) => {
                let title = Safe::new(&format!("Field map of {}", mapping.module.title()));
                let area = boxed(app, brush, frame, body, &title, Tone::DialogBorder);
                super::mapping::draw(brush, frame, area, mapping, &app.hello.crm);
            }
            Dialog::Choosing(choosing) => {
                let title = Safe::new(&format!("Counterpart in {}", brush.names.of(choosing.side.other())));
                let area = boxed(app, brush, frame, centred(body, 90, 16), &title, Tone::DialogBorder);
                let above = Rect { height: area.height.saturating_sub(1), ..area };
                super::mapping::choosing(brush, frame, above, choosing);
                let below = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
                labelled_input(brush, frame, below, &[brush.say(Tone::Key, "search: ")], &choosing.input, true);
            }
            Dialog::Preview(preview) => {
                let area = boxed(app, brush, frame, body, &preview.title, Tone::DialogBorder);
                super::preview::draw(brush, frame, area, preview);
            }
        }
    }
}

/// Clears the area, draws the border, answers the inside.
fn boxed(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect, title: &Safe, tone: Tone) -> Rect {
    frame.render_widget(Clear, area);
    let title = crate::text::truncate(title.as_str(), usize::from(area.width.saturating_sub(4)));
    let mut block =
        Block::bordered().border_style(brush.style(tone)).title(brush.say(Tone::Title, format!(" {title} ")));
    if app.settings.ascii {
        block = block.border_set(ASCII_BORDER);
    }
    frame.render_widget(block, area);
    area.inner(Margin { horizontal: 2, vertical: 1 })
}

const ASCII_BORDER: ratatui::symbols::border::Set<'static> = ratatui::symbols::border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

fn draw_form(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, body: Rect, form: &Form) {
    let width = body.width.min(76);
    let inner = usize::from(width.saturating_sub(4));
    let mut text: Vec<Line<'static>> = Vec::new();
    for line in &form.lines {
        text.extend(wrap(line.as_str(), inner).into_iter().map(|row| Line::from(brush.say(Tone::Text, row))));
    }
    let tall = |field: &Field| match field {
        Field::Text { input, .. } if input.multiline => 6_u16,
        _ => 1,
    };
    let below = form.fields.iter().map(tall).sum::<u16>() + 2 + u16::from(form.complaint.is_some());
    // What must be filled in and the buttons always fit; explanations give way on a small screen.
    let room = usize::from(body.height.saturating_sub(below + 2));
    text.truncate(room);
    let height = below + 2 + text.len() as u16;
    let tone = if form.tier >= Tier::T2 { Tone::DialogDanger } else { Tone::DialogBorder };
    let area = boxed(app, brush, frame, centred(body, width, height), &form.title, tone);
    let mut y = area.y;
    let count = text.len() as u16;
    lines(frame, area, text);
    y += count;
    for (at, field) in form.fields.iter().enumerate() {
        let height = tall(field).min(area.bottom().saturating_sub(y));
        draw_field(brush, frame, Rect { y, height, ..area }, field, form.focus == at);
        y += height;
    }
    if let Some(complaint) = &form.complaint
        && y < area.bottom()
    {
        lines(frame, Rect { y, height: 1, ..area }, [Line::from(brush.safe(Tone::Error, complaint))]);
        y += 1;
    }
    let button = |focused: bool, label: &str| {
        let tone = if focused { Tone::ButtonFocus } else { Tone::Text };
        brush.say(tone, if focused { format!("[>{label}<]") } else { format!("[ {label} ]") })
    };
    let buttons = vec![button(form.on_cancel(), "cancel"), Span::raw("  "), button(form.on_submit(), form.submit)];
    let y = (y + 1).min(area.bottom().saturating_sub(1));
    lines(frame, Rect { y, height: 1, ..area }, [Line::from(buttons)]);
}

fn draw_field(brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect, field: &Field, focused: bool) {
    let label = |text: String| {
        let tone = if focused { Tone::Key } else { Tone::Dim };
        [brush.marker(focused), Span::raw(" "), brush.say(tone, text)]
    };
    match field {
        Field::Side(side) => {
            let mut spans = Vec::from(label("winning side: ".to_owned()));
            for own in Side::BOTH {
                let tone = if *side == Some(own) { Tone::TabActive } else { Tone::TabIdle };
                let name = brush.names.of(own);
                let text = if *side == Some(own) { format!("[{name}]") } else { format!(" {name} ") };
                spans.push(brush.say(tone, text));
            }
            lines(frame, area, [Line::from(spans)]);
        }
        Field::Options { label: name, options, selected } => {
            let mut spans = Vec::from(label(format!("{name}: ")));
            for (at, option) in options.iter().enumerate() {
                let tone = if at == *selected { Tone::TabActive } else { Tone::TabIdle };
                let text = if at == *selected { format!("[{option}]") } else { format!(" {option} ") };
                spans.push(brush.say(tone, text));
            }
            lines(frame, area, [Line::from(spans)]);
        }
        Field::Typed { expect, input } => {
            labelled_input(brush, frame, area, &label(format!("type {expect}: ")), input, focused);
        }
        Field::Text { label: name, input, .. } => {
            labelled_input(brush, frame, area, &label(format!("{name}: ")), input, focused);
        }
    }
}

fn labelled_input(
    brush: Brush<'_>,
    frame: &mut Frame<'_>,
    area: Rect,
    label: &[Span<'static>],
    input: &Input,
    focused: bool,
) {
    let used = super::paint::width(label) as u16;
    lines(frame, area, [Line::from(label.to_vec())]);
    let field = Rect { x: (area.x + used).min(area.right()), width: area.width.saturating_sub(used), ..area };
    if field.is_empty() {
        return;
    }
    if focused {
        frame.render_widget(input.area(), field);
    } else {
        let text = Safe::limited(&input.text(), 400);
        lines(frame, field, [Line::from(brush.fit(Tone::Text, &text, usize::from(field.width)))]);
    }
}

fn draw_picker(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, body: Rect, picker: &Picker) {
    let title = match picker.used_as {
        Use::Palette => "Palette",
        Use::Menu => "Actions here",
        Use::Help => "Help: keys here",
    };
    let area = boxed(app, brush, frame, centred(body, 90, 24), &Safe::own(title), Tone::DialogBorder);
    labelled_input(brush, frame, Rect { height: 1, ..area }, &[brush.say(Tone::Key, "search: ")], &picker.input, true);
    let list = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    let height = usize::from(list.height);
    let top = (picker.selected + 1).saturating_sub(height);
    let columns = usize::from(list.width);
    let rows = picker.found.iter().enumerate().skip(top).map(|(at, id)| {
        let action = Action::of(*id);
        let refusal = app.refusal(*id);
        let keys = app.keymap.shown(*id).join(", ");
        let mut spans = vec![brush.marker(at == picker.selected), Span::raw(" ")];
        spans.extend(brush.word(Tone::Key, &keys, 11));
        let tone = if refusal.is_some() { Tone::Disabled } else { Tone::Text };
        spans.extend(brush.word(tone, &brush.names.say(action.title), 18));
        let text = refusal.map_or_else(|| action.help.to_owned(), |why| format!("(not now: {why})"));
        let text = brush.names.say(&text).into_owned();
        spans.extend(brush.fit(tone, &Safe::limited(&text, 300), columns.saturating_sub(31)));
        Line::from(spans)
    });
    lines(frame, list, rows);
    if picker.found.is_empty() {
        lines(
            frame,
            list,
            [Line::from(brush.say(Tone::Dim, "  No action is called that; Backspace takes letters back."))],
        );
    }
    if let Some(id) = picker.found.get(picker.selected) {
        let action = Action::of(*id);
        let cli = action.cli.map(|cli| format!("; same as `{cli}`")).unwrap_or_default();
        let text = format!("{} ({}{cli})", brush.names.say(action.help), action.tier.explain());
        let y = area.bottom().saturating_sub(1);
        lines(frame, Rect { y, height: 1, ..area }, [Line::from(brush.word(Tone::Dim, &text, columns))]);
    }
}

fn draw_pairing(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, body: Rect, pairing: &Pairing) {
    let title = format!("Counterpart in {}", brush.names.of(pairing.entry.side.other()));
    let area = boxed(app, brush, frame, centred(body, 90, 16), &Safe::new(&title), Tone::DialogBorder);
    let above = Rect { height: area.height.saturating_sub(1), ..area };
    super::matching::pairing(brush, frame, above, pairing);
    let below = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
    labelled_input(brush, frame, below, &[brush.say(Tone::Key, "search: ")], &pairing.input, true);
}

fn draw_report(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, body: Rect, report: &Report) {
    let width = body.width.min(100);
    let inner = usize::from(width.saturating_sub(4));
    let rows: Vec<String> =
        report.lines.iter().skip(report.scroll).flat_map(|line| wrap(line.as_str(), inner)).collect();
    let height = u16::try_from(rows.len() + 2).unwrap_or(body.height).clamp(5, body.height.max(5));
    let area = boxed(app, brush, frame, centred(body, width, height), &report.title, Tone::DialogBorder);
    lines(frame, area, rows.into_iter().map(|row| Line::from(brush.say(Tone::Text, row))));
}

fn draw_guard(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, body: Rect, guard: &Guard) {
    let tripped = guard.plan.as_ref().is_none_or(|plan| plan.tripped.is_some());
    let title = if tripped { "Guard of" } else { "Dry run of" };
    let title = Safe::new(&format!("{title} {}", guard.module.title()));
    let border = if tripped { Tone::DialogDanger } else { Tone::DialogBorder };
    let area = boxed(app, brush, frame, centred(body, 90, 24), &title, border);
    let Some(plan) = &guard.plan else {
        lines(frame, area, [Line::from(brush.say(Tone::Dim, format!("loading{}", brush.signs.more)))]);
        return;
    };
    let columns = usize::from(area.width);
    let mut rows: Vec<Line<'static>> = Vec::new();
    let why = plan.tripped.clone().unwrap_or_else(|| "The guard is open: what is planned goes by itself.".to_owned());
    let why = Safe::limited(&why, 400);
    rows.extend(wrap(why.as_str(), columns).into_iter().map(|row| Line::from(brush.say(Tone::Warn, row))));
    let number = |map: &std::collections::BTreeMap<Side, u64>, side| time::count(map.get(&side).copied().unwrap_or(0));
    let waiting = match plan.tripped {
        Some(_) => format!("{} items held", time::count(plan.held)),
        None => format!("{} items about to go", time::count(plan.ready + plan.held)),
    };
    let conflicts = time::count(plan.conflicts);
    rows.push(Line::from(brush.say(Tone::Text, format!("{waiting}, {conflicts} need a person anyway"))));
    if let Some(at) = plan.as_of {
        let at = time::stamp(&app.settings.zone, at, app.now);
        let text = format!("as of the sweep of {at}; looking reads no remote and writes nothing");
        rows.extend(wrap(&text, columns).into_iter().map(|row| Line::from(brush.say(Tone::Dim, row))));
    }
    for side in Side::BOTH {
        let text = format!(
            "{:5} creates {}, updates {}",
            brush.names.of(side),
            number(&plan.creates, side),
            number(&plan.updates, side)
        );
        rows.push(Line::from(brush.say(Tone::Text, text)));
    }
    rows.push(Line::from(brush.say(Tone::Dim, format!("plan {}", &plan.hash.to_string()[..12]))));
    for row in plan.samples.iter().skip(guard.scroll) {
        let text = Safe::limited(&format!("#{} {}: {}", row.id, row.title, row.summary), 300);
        rows.push(Line::from(brush.fit(Tone::Dim, &text, columns)));
    }
    lines(frame, area, rows);
}
