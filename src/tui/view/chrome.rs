//! What is always there: badge, tabs, status line, key hints, messages.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use strum::IntoEnumIterator as _;

use super::layout::Regions;
use super::paint::{Brush, lines, width};
use super::time;
use crate::model::State;
use crate::text::Safe;
use crate::tui::action::{ActionId, CATALOGUE};
use crate::tui::app::{App, Link, Tab};
use crate::tui::dialog::Dialog;
use crate::tui::theme::Tone;
use crate::tui::triage::Pane;

pub(super) fn header(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, regions: Regions) {
    let production = app.hello.environment.eq_ignore_ascii_case("production");
    let (badge, rule, sign) = match production {
        true => (Tone::BadgeProduction, Tone::RuleProduction, brush.signs.strong_rule),
        false => (Tone::BadgeOther, Tone::RuleOther, brush.signs.rule),
    };
    let environment = Safe::limited(&app.hello.environment.to_uppercase(), 14);
    let mut spans = vec![brush.say(badge, format!(" {environment} ")), Span::raw(" ")];
    let narrow = regions.header.width < 60;
    for (number, tab) in Tab::iter().enumerate() {
        let tone = if tab == app.tab { Tone::TabActive } else { Tone::TabIdle };
        let title = if narrow && tab != app.tab { &tab.title()[..1] } else { tab.title() };
        spans.push(brush.say(tone, format!("{} {title}", number + 1)));
        spans.push(Span::raw(if narrow { " " } else { "  " }));
    }
    let account = Safe::limited(&app.hello.account, 30);
    let room = usize::from(regions.header.width).saturating_sub(width(&spans));
    if account.width() < room {
        spans.push(Span::raw(" ".repeat(room - account.width())));
        spans.extend(brush.safe(Tone::Dim, &account));
    }
    frame.render_widget(Line::from(spans), regions.header);
    let line = sign.repeat(usize::from(regions.rule.width));
    frame.render_widget(Line::from(brush.say(rule, line)), regions.rule);
}

/// Facts that must never be looked for, the most important first; what does not fit drops off.
pub(super) fn status(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect) {
    let mut parts: Vec<Vec<Span<'static>>> = Vec::new();
    parts.push(match &app.link {
        Link::Up => vec![brush.say(Tone::Good, "connected")],
        // The first clause says which daemon; the rest is the system's wording of "no".
        Link::Lost(reason) => {
            let first = reason.split(": ").next().unwrap_or_default();
            let mut spans = vec![brush.say(Tone::Error, "NO CONNECTION")];
            spans.push(brush.say(Tone::Warn, ", trying again"));
            if area.width >= 100 {
                spans.push(Span::raw(" "));
                spans.extend(brush.safe(Tone::Dim, &Safe::limited(first, 60)));
            }
            spans
        }
    });
    if app.frozen {
        parts.push(vec![brush.say(Tone::Warn, "FROZEN")]);
    }
    if let Some(bulk) = &app.bulk {
        let (done, all) = bulk.progress();
        parts.push(vec![brush.say(Tone::Warn, format!("deciding {done} of {all}"))]);
    }
    if !app.queue.marks.is_empty() {
        parts.push(vec![brush.say(Tone::Mark, format!("{} marked", app.queue.marks.len()))]);
    }
    let operator = Safe::limited(&app.hello.operator, 24);
    parts.push(vec![brush.say(Tone::Text, format!("{operator} ({})", app.hello.role))]);
    if let Some(status) = &app.status {
        let total = |state: State| status.modules.iter().filter_map(|module| module.counts.get(&state)).sum::<u64>();
        for state in [State::Held, State::Dead, State::Ready, State::Retry, State::Unknown] {
            let number = total(state);
            // A dead post leaves no dead item: its record counts as handed over.
            let posts = if state == State::Dead { status.streams.iter().map(|row| row.dead).sum() } else { 0 };
            let posts = match posts {
                0 => None,
                1 => Some("1 post".to_owned()),
                many => Some(format!("{} posts", time::count(many))),
            };
            let items = (number > 0).then(|| time::count(number));
            let told: Vec<String> = items.into_iter().chain(posts).collect();
            if !told.is_empty() {
                let text = format!("{} {state} {}", state.glyph(), told.join(", "));
                parts.push(vec![brush.say(Tone::state(state), text)]);
            }
        }
        let paused: Vec<String> = status
            .modules
            .iter()
            .filter(|module| module.state == "paused")
            .map(|module| module.name.to_string())
            .collect();
        if !paused.is_empty() {
            // An approval is taken meanwhile, and nothing comes of it: one wants to know why.
            parts.push(vec![brush.say(Tone::Warn, format!("{} paused", paused.join(", ")))]);
        }
        if let Some(lag) = status.modules.iter().filter_map(|module| module.cursor_lag_s).max() {
            parts.push(vec![brush.say(Tone::Dim, format!("lag {}", time::span(std::time::Duration::from_secs(lag))))]);
        }
        if let Some(error) = &status.daemon.last_error {
            parts.insert(1, brush.safe(Tone::Error, &Safe::limited(error, 60)));
        }
    } else if app.link == Link::Up {
        parts.push(vec![brush.say(Tone::Dim, format!("asking the daemon{}", brush.signs.more))]);
    }
    let drafts = app.triage.items_with_drafts();
    if drafts > 0 {
        parts.push(vec![brush.say(Tone::Warn, format!("{drafts} not sent"))]);
    }
    frame.render_widget(Line::from(joined(brush, parts, usize::from(area.width))), area);
}

fn joined(brush: Brush<'_>, parts: Vec<Vec<Span<'static>>>, room: usize) -> Vec<Span<'static>> {
    let mut spans: Vec<Span<'static>> = Vec::new();
    for part in parts {
        let gap = if spans.is_empty() { 1 } else { 3 };
        if width(&spans) + gap + width(&part) > room {
            break;
        }
        spans.push(match spans.is_empty() {
            true => Span::raw(" "),
            false => brush.say(Tone::Dim, format!(" {} ", brush.signs.bar)),
        });
        spans.extend(part);
    }
    spans
}

/// Keys of this place, from the catalogue; drops from the right when narrow. Help never drops.
pub(super) fn footer(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect) {
    let hints: Vec<(String, &'static str)> = match app.dialogs.last() {
        Some(Dialog::Form(form)) if form.fields.is_empty() => {
            vec![
                ("←→".into(), "choose"),
                ("Enter".into(), "press"),
                ("y".into(), form.submit),
                ("Esc".into(), "cancel"),
            ]
        }
        Some(Dialog::Form(_)) => vec![("Tab".into(), "next"), ("Enter".into(), "go on"), ("Esc".into(), "cancel")],
        Some(Dialog::Picker(_)) => vec![("↑↓".into(), "choose"), ("Enter".into(), "do it"), ("Esc".into(), "close")],
        Some(Dialog::Pairing(_) | Dialog::Choosing(_)) => {
            vec![("↑↓".into(), "choose"), ("Enter".into(), "pair"), ("Esc".into(), "cancel")]
        }
        Some(Dialog::Report(_)) => vec![("j k".into(), "scroll"), ("Esc".into(), "close")],
        Some(Dialog::Guard(_) | Dialog::Preview(_) | Dialog::Mapping(_)) | None => scope_hints(app),
    };
    let mut spans: Vec<Span<'static>> = Vec::new();
    for (key, title) in hints {
        let key = if app.settings.ascii { in_ascii(&key) } else { key };
        let hint = [brush.say(Tone::Key, key), brush.say(Tone::Dim, format!(" {}", brush.names.say(title)))];
        if width(&spans) + width(&hint) + 2 > usize::from(area.width) {
            break;
        }
        spans.push(Span::raw(if spans.is_empty() { " " } else { "  " }));
        spans.extend(hint);
    }
    frame.render_widget(Line::from(spans), area);
}

/// Arrow keys by name, for terminals without arrows in their font.
fn in_ascii(key: &str) -> String {
    [("←", "Left "), ("→", "Right "), ("↑", "Up "), ("↓", "Down ")]
        .iter()
        .fold(key.to_owned(), |text, (arrow, name)| text.replace(arrow, name))
        .trim_end()
        .to_owned()
}

fn scope_hints(app: &App) -> Vec<(String, &'static str)> {
    let scope = app.chain().first().copied();
    let own = CATALOGUE.iter().filter(|action| scope.is_some_and(|scope| action.scopes.contains(&scope)));
    let possible = own.filter(|action| app.refusal(action.id).is_none()).map(|action| action.id);
    let open = app.dialogs.is_empty().then_some(ActionId::Open);
    let last = [ActionId::Palette, ActionId::Menu, ActionId::Quit];
    let wanted = std::iter::once(ActionId::Help).chain(open).chain(possible).chain(last);
    let mut hints: Vec<(String, &'static str)> = wanted.filter_map(|id| app.labelled(id)).collect();
    // Who does not know that there are candidates approves a further record.
    let asks = app.triage.view().is_some_and(|view| !view.item.plan.candidates.is_empty());
    if app.tab == Tab::Diff
        && app.dialogs.is_empty()
        && asks
        && let Some((key, _)) = app.labelled(ActionId::NextPane)
    {
        let there = match app.triage.pane {
            Pane::Fields => "candidates",
            Pane::Candidates => "history",
            Pane::History => "fields",
        };
        hints.insert(hints.len().min(1), (key, there));
    }
    hints
}

/// What can follow the keys pressed so far.
pub(super) fn continuations(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, body: Rect) {
    let next = app.continuations();
    if next.is_empty() {
        return;
    }
    let rows: Vec<Line<'static>> = next
        .into_iter()
        .map(|(key, title)| {
            Line::from([vec![brush.say(Tone::Key, format!(" {key} "))], brush.fit(Tone::Text, &title, 22)].concat())
        })
        .collect();
    let height = u16::try_from(rows.len()).unwrap_or(body.height).min(body.height);
    let area =
        Rect { x: body.right().saturating_sub(26), y: body.bottom() - height, width: body.width.min(26), height };
    frame.render_widget(Clear, area);
    lines(frame, area, rows);
}

/// The current message, bottom right of the body, wrapped over at most three lines.
pub(super) fn toast(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, body: Rect) {
    let Some(toast) = app.toasts.current(app.now) else { return };
    let errors = app.toasts.errors(app.now);
    let more = if errors > 1 { format!(" ({errors} errors)") } else { String::new() };
    let dismiss = if toast.severity == crate::tui::toast::Severity::Error { " [Esc]" } else { "" };
    let text = format!(" {}: {}{more}", toast.severity.word(), toast.text);
    // Beside a message of nearly the whole width only crumbs of what is below would show.
    let room = usize::from(if body.width <= 100 { body.width } else { 90 });
    // It must not hide what it is about: a low screen, or a dialog, gives it one line.
    let most = match body.height {
        _ if !app.dialogs.is_empty() => 1,
        0..12 => 1,
        12..18 => 2,
        _ => 3,
    };
    let rows = toast_rows(&text, dismiss, room, most);
    let wide = rows.iter().map(|row| crate::text::width(row)).max().unwrap_or(0);
    let wide = if rows.len() > 1 { room } else { wide };
    let (width, height) = (u16::try_from(wide).unwrap_or(body.width).min(body.width), rows.len() as u16);
    let area = Rect { x: body.right() - width, y: body.bottom() - height.min(body.height), width, height };
    frame.render_widget(Clear, area);
    lines(frame, area, rows.into_iter().map(|row| Line::from(brush.say(toast.severity.tone(), row))));
}

/// A message over at most `most` lines; how it is dismissed is never what gives way.
fn toast_rows(text: &str, dismiss: &str, room: usize, most: usize) -> Vec<String> {
    let end = format!("{dismiss} ");
    let mut rows = crate::text::wrap(text, room);
    if rows.len() > most {
        let rest = rows.split_off(most - 1).join(" ");
        rows.push(rest);
    }
    let Some(last) = rows.last_mut() else { return rows };
    *last = crate::text::truncate(last, room.saturating_sub(end.len())) + &end;
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_message_keeps_its_spaces_and_how_it_is_dismissed() {
        let text =
            " error: the item changed meanwhile; you see it as it is now. Choices whose values did not move are kept.";
        let two = toast_rows(text, " [Esc]", 60, 2);
        assert_eq!(
            two,
            [
                " error: the item changed meanwhile; you see it as it is now.",
                "Choices whose values did not move are kept. [Esc] "
            ]
        );
        // The first line ends early, as the next word has no room there.
        assert_eq!(
            toast_rows(" error: one two extraordinarily", "", 20, 1),
            [" error: one two ex… "],
            "nothing is glued"
        );
        for (room, most) in [(60, 1), (40, 1), (40, 2), (30, 3), (90, 3)] {
            let rows = toast_rows(text, " [Esc]", room, most);
            assert!(rows.len() <= most && rows.last().unwrap().ends_with(" [Esc] "), "{rows:?}");
            assert!(rows.iter().all(|row| crate::text::width(row) <= room), "{rows:?}");
        }
        assert_eq!(toast_rows(" done: skipped", "", 60, 3), [" done: skipped "]);
    }
}
