//! The brush: styles, glyphs and the few ways text gets into cells.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::text::{Glyph, Safe};
use crate::tui::theme::{Theme, Tone};
use crate::wire::SideNames;

/// Signs that have an ASCII form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    pub(super) rule: &'static str,
    pub(super) strong_rule: &'static str,
    pub(super) more: &'static str,
    pub(super) to_crm: &'static str,
    pub(super) to_ivvy: &'static str,
    pub(super) bar: &'static str,
    pub(super) full: &'static str,
    pub(super) rest: &'static str,
    pub(super) bars: [&'static str; 8],
}

const UNICODE: Signs = Signs {
    rule: "─",
    strong_rule: "═",
    more: "…",
    to_crm: "→",
    to_ivvy: "←",
    bar: "│",
    full: "█",
    rest: "░",
    bars: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
};

const ASCII: Signs = Signs {
    rule: "-",
    strong_rule: "=",
    more: "~",
    to_crm: ">",
    to_ivvy: "<",
    bar: "|",
    full: "#",
    rest: ".",
    bars: ["_", ".", "-", "=", "+", "*", "%", "#"],
};

impl Signs {
    /// With or without anything beyond ASCII.
    pub(super) fn of(ascii: bool) -> Self {
        if ascii { ASCII } else { UNICODE }
    }
}

/// Theme and signs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brush<'a> {
    theme: &'a Theme,
    pub(super) signs: Signs,
    /// What people call the two sides.
    pub(super) names: &'a SideNames,
}

/// Part of a value, as it is drawn.
pub(super) type Spans = Vec<Span<'static>>;

impl<'a> Brush<'a> {
    pub(super) fn new(theme: &'a Theme, ascii: bool, names: &'a SideNames) -> Self {
        Self { theme, signs: Signs::of(ascii), names }
    }

    pub(super) fn style(&self, tone: Tone) -> Style {
        self.theme.style(tone)
    }

    /// Our own words. Remote text must come as [`Safe`].
    pub(super) fn say(&self, tone: Tone, text: impl Into<std::borrow::Cow<'static, str>>) -> Span<'static> {
        Span::styled(text, self.style(tone))
    }

    /// Sanitised text at its own length.
    pub(super) fn safe(&self, tone: Tone, text: &Safe) -> Spans {
        self.glyph_spans(tone, text.glyphs(), |_| false)
    }

    /// Sanitised text in exactly `columns`: cut or padded.
    pub(super) fn fit(&self, tone: Tone, text: &Safe, columns: usize) -> Spans {
        let total = text.width();
        let room = if total > columns { columns.saturating_sub(1) } else { columns };
        let mut used = 0;
        let shown: Vec<Glyph<'_>> = text
            .glyphs()
            .take_while(|glyph| {
                used += glyph.width;
                used <= room
            })
            .collect();
        let mut width: usize = shown.iter().map(|glyph| glyph.width).sum();
        let mut spans = self.glyph_spans(tone, shown.into_iter(), |_| false);
        if total > columns && columns > 0 {
            spans.push(self.say(tone, self.signs.more));
            width += 1;
        }
        spans.push(Span::raw(" ".repeat(columns.saturating_sub(width))));
        spans
    }

    /// Our own words in exactly `columns`.
    pub(super) fn word(&self, tone: Tone, text: &str, columns: usize) -> Spans {
        self.fit(tone, &Safe::new(text), columns)
    }

    /// Sanitised text over several lines of `columns`, at most `lines`; `changed` says which bytes
    /// to highlight. Text too long for that begins a little before its first change: two values that
    /// differ must not look the same because they begin alike.
    pub(super) fn block(
        &self,
        tone: Tone,
        text: &Safe,
        changed: impl Fn(usize) -> bool,
        columns: usize,
        lines: usize,
    ) -> Vec<Spans> {
        let columns = columns.max(2);
        let first = first_shown(text, &changed, columns, lines);
        let mut rows: Vec<Vec<Glyph<'_>>> = vec![Vec::new()];
        let mut used = usize::from(first > 0);
        let mut cut = false;
        for glyph in text.glyphs().skip(first) {
            if used + glyph.width > columns {
                if rows.len() == lines {
                    cut = true;
                    break;
                }
                rows.push(Vec::new());
                used = 0;
            }
            used += glyph.width;
            if let Some(row) = rows.last_mut() {
                row.push(glyph);
            }
        }
        let count = rows.len();
        rows.into_iter()
            .enumerate()
            .map(|(at, mut row)| {
                let shortened = cut && at + 1 == count;
                if shortened {
                    let lead = usize::from(first > 0 && at == 0);
                    while !row.is_empty() && lead + row.iter().map(|glyph| glyph.width).sum::<usize>() + 1 > columns {
                        row.pop();
                    }
                }
                let mut width: usize = row.iter().map(|glyph| glyph.width).sum();
                let mut spans = self.glyph_spans(tone, row.into_iter(), &changed);
                if first > 0 && at == 0 {
                    spans.insert(0, self.say(tone, self.signs.more));
                    width += 1;
                }
                if shortened {
                    spans.push(self.say(tone, self.signs.more));
                }
                spans.push(Span::raw(" ".repeat(columns.saturating_sub(width + usize::from(shortened)))));
                spans
            })
            .collect()
    }

    fn glyph_spans<'g>(
        &self,
        tone: Tone,
        glyphs: impl Iterator<Item = Glyph<'g>>,
        changed: impl Fn(usize) -> bool,
    ) -> Spans {
        let mut runs: Vec<(Style, String)> = Vec::new();
        for glyph in glyphs {
            let mut style = self.style(tone);
            if changed(glyph.start) {
                style = style.patch(self.style(Tone::DiffChanged));
            }
            if glyph.revealed {
                style = self.style(Tone::Revealed);
            }
            match runs.last_mut() {
                Some((last, text)) if *last == style => text.push_str(glyph.text),
                _ => runs.push((style, glyph.text.to_owned())),
            }
        }
        runs.into_iter().map(|(style, text)| Span::styled(text, style)).collect()
    }

    /// The two columns that say where the cursor is. A marker and one attribute, instead of a whole
    /// row in another style: over a slow line it is a tenth of the bytes.
    pub(super) fn marker(&self, here: bool) -> Span<'static> {
        if here { self.say(Tone::Marker, ">") } else { Span::raw(" ") }
    }
}

/// Index of the first glyph to show so that the first change is seen, when not all of it can be.
fn first_shown(text: &Safe, changed: impl Fn(usize) -> bool, columns: usize, lines: usize) -> usize {
    let room = columns * lines;
    let mut before = 0;
    for (at, glyph) in text.glyphs().enumerate() {
        if changed(glyph.start) {
            // Half a line of what comes before it, to be recognised by.
            let hidden = before + columns > room && text.width() > room;
            return if hidden { at.saturating_sub(columns / 2) } else { 0 };
        }
        before += glyph.width;
    }
    0
}

/// Draws lines from the top of `area`; what does not fit is left out.
pub(super) fn lines<'l>(frame: &mut Frame<'_>, area: Rect, lines: impl IntoIterator<Item = Line<'l>>) {
    for (y, line) in (0..area.height).zip(lines) {
        frame.render_widget(line, Rect { y: area.y + y, height: 1, ..area });
    }
}

/// A bar of so many columns, and its percentage: a hundred only when nothing is left.
pub(super) fn gauge(signs: &Signs, done: u64, total: u64, columns: u64) -> (String, u64) {
    let part =
        |of: u64| u64::try_from(u128::from(done.min(total)) * u128::from(of) / u128::from(total.max(1))).unwrap_or(of);
    let full = part(columns);
    let bar = (0..columns).map(|at| if at < full { signs.full } else { signs.rest }).collect();
    (bar, part(100))
}

/// Columns a run of spans takes.
pub(super) fn width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(Span::width).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_only_at_the_end_v15() {
        let bar = |done, total| gauge(&ASCII, done, total, 10);
        assert_eq!(bar(0, 2_000), ("..........".to_owned(), 0));
        assert_eq!(bar(1_999, 2_000), ("#########.".to_owned(), 99));
        assert_eq!(bar(2_000, 2_000), ("##########".to_owned(), 100));
        assert_eq!(bar(2_100, 2_000), ("##########".to_owned(), 100), "a listing may have grown");
        assert_eq!(bar(3, 0), ("..........".to_owned(), 0));
        assert_eq!(bar(u64::MAX, u64::MAX).1, 100);
    }
}
