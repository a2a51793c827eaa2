//! Reading one long value: its text, its source or the addresses in it, loaded part by part as one
//! scrolls.
//!
//! A part is made safe and broken into lines once, when it comes near the screen, and not again until
//! the screen's width changes: a frame never costs more than the rows it shows. Nothing is fetched but
//! from the daemon, and no address is opened.

use ratatui::layout::Size;

use crate::model::ItemId;
use crate::text::{Safe, wrap};
use crate::wire::{self, PreviewAs, PreviewOf, PreviewQuery, StreamPart};

/// The dialog.
#[derive(Clone, Debug)]
pub struct Preview {
    /// What the field is called.
    pub title: Safe,
    item: ItemId,
    field: String,
    stream: Option<StreamPart>,
    /// The values that can be looked at; never empty.
    values: Vec<PreviewOf>,
    at: usize,
    mode: PreviewAs,
    /// Where rows are shown.
    room: Size,
    version: Option<u32>,
    total: Option<u64>,
    parts: Vec<Part>,
    next: Option<u64>,
    asked: Option<PreviewQuery>,
    /// The last question failed; it is asked again when someone scrolls.
    failed: bool,
    /// Part and row at the top.
    top: (usize, usize),
    /// On the way to the end: everything between is loaded first.
    to_end: bool,
}

/// A part of the value.
#[derive(Clone, Debug)]
struct Part {
    from: u64,
    text: String,
    /// Its rows for the width; empty while it is far from the screen.
    rows: Vec<String>,
    width: u16,
}

impl Part {
    /// Breaks the text into rows for `width`, unless it is already.
    fn lay_out(&mut self, width: u16) {
        if self.width == width && !self.rows.is_empty() {
            return;
        }
        let safe = |line: &str| Safe::limited(&line.replace('\t', "    "), usize::MAX);
        self.rows = self.text.lines().flat_map(|line| wrap(safe(line).as_str(), usize::from(width))).collect();
        self.width = width;
    }
}

impl Preview {
    /// A dialog that has asked nothing yet. `values` are those there are, the first to be shown first.
    pub fn new(item: ItemId, field: &str, title: &str, values: Vec<PreviewOf>) -> Self {
        Self {
            title: Safe::new(title),
            item,
            field: field.to_owned(),
            stream: None,
            values,
            at: 0,
            mode: PreviewAs::Text,
            room: Size::default(),
            version: None,
            total: None,
            parts: Vec::new(),
            next: Some(0),
            asked: None,
            failed: false,
            top: (0, 0),
            to_end: false,
        }
    }

    /// The body of what a stream set aside. Its source is what there is to read.
    pub fn of_stream(part: StreamPart, title: &str) -> Self {
        let new = Self::new(ItemId(0), "body", title, vec![PreviewOf::Result]);
        Self { stream: Some(part), ..new }
    }

    /// Whether it is not a field's value.
    pub fn is_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether it is a post of ours, not a record of theirs.
    pub fn is_post(&self) -> bool {
        self.stream.as_ref().is_some_and(|part| !part.id.kind.is_inbound())
    }

    /// How the value is looked at.
    pub fn mode(&self) -> PreviewAs {
        self.mode
    }

    /// Which value is looked at.
    pub fn of(&self) -> PreviewOf {
        self.values.get(self.at).copied().unwrap_or(PreviewOf::Ivvy)
    }

    /// Whether there is more than one value to look at.
    pub fn has_others(&self) -> bool {
        self.values.len() > 1
    }

    /// Looks at the value in another way, from its start.
    pub fn show_as(&mut self, mode: PreviewAs) {
        if self.mode != mode {
            self.mode = mode;
            self.restart();
        }
    }

    /// Looks at the next of the field's values, from its start.
    pub fn next_value(&mut self) {
        self.at = (self.at + 1) % self.values.len().max(1);
        self.restart();
    }

    fn restart(&mut self) {
        self.parts.clear();
        (self.version, self.total, self.next, self.asked) = (None, None, Some(0), None);
        (self.failed, self.top, self.to_end) = (false, (0, 0), false);
    }

    /// Fits the rows near the screen to `room`, and answers what to ask the daemon next, if anything.
    pub fn prepare(&mut self, room: Size) -> Option<PreviewQuery> {
        if room.width != self.room.width {
            self.keep_place(room.width);
        }
        self.room = room;
        // A screen more than is shown, so that the next part is there before it is needed.
        let enough = self.top.1 + 2 * usize::from(room.height);
        let mut below = 0;
        for part in self.parts.iter_mut().skip(self.top.0) {
            part.lay_out(room.width);
            below += part.rows.len();
            if below > enough {
                break;
            }
        }
        let short = below <= enough;
        if !(short || self.to_end) || self.failed || self.asked.is_some() {
            return None;
        }
        let query = PreviewQuery {
            item: self.item,
            field: self.field.clone(),
            of: Some(self.of()),
            mode: self.mode,
            from: self.next?,
            stream: self.stream.clone(),
        };
        self.asked = Some(query.clone());
        Some(query)
    }

    /// The row at the top moves to about the same place of its part.
    fn keep_place(&mut self, width: u16) {
        if let Some(part) = self.parts.get_mut(self.top.0) {
            let before = part.rows.len().max(1);
            part.lay_out(width);
            self.top.1 = self.top.1 * part.rows.len() / before;
        }
    }

    /// Takes a part, if it is the one that was asked for.
    pub fn receive(&mut self, query: &PreviewQuery, part: wire::Preview) {
        if self.asked.as_ref() != Some(query) {
            return;
        }
        self.asked = None;
        if self.version.is_some_and(|version| version != part.ver) {
            // The item moved on: what was read so far may belong to another value.
            self.restart();
            return;
        }
        self.version = Some(part.ver);
        self.total = Some(part.total_bytes);
        self.next = part.next;
        if !part.text.is_empty() {
            self.parts.push(Part { from: query.from, text: part.text, rows: Vec::new(), width: 0 });
        }
        if self.to_end && self.next.is_none() {
            self.to_end = false;
            self.bottom();
        }
    }

    /// A question failed.
    pub fn failed(&mut self, query: &PreviewQuery) {
        if self.asked.as_ref() == Some(query) {
            (self.asked, self.failed, self.to_end) = (None, true, false);
        }
    }

    /// Moves by `rows`; the largest and the smallest number lead to the ends.
    pub fn scroll(&mut self, rows: isize) {
        self.failed = false;
        self.to_end = false;
        match rows {
            isize::MIN => self.top = (0, 0),
            isize::MAX if self.next.is_some() => self.to_end = true,
            isize::MAX => self.bottom(),
            up if up < 0 => self.up(up.unsigned_abs()),
            down => self.down(down.unsigned_abs()),
        }
    }

    fn rows_of(&mut self, at: usize) -> usize {
        let width = self.room.width;
        self.parts.get_mut(at).map_or(0, |part| {
            part.lay_out(width);
            part.rows.len()
        })
    }

    fn down(&mut self, mut rows: usize) {
        loop {
            let left = self.rows_of(self.top.0).saturating_sub(self.top.1 + 1);
            if rows <= left || self.top.0 + 1 >= self.parts.len() {
                self.top.1 += rows.min(left);
                return;
            }
            rows -= left + 1;
            self.top = (self.top.0 + 1, 0);
        }
    }

    fn up(&mut self, mut rows: usize) {
        loop {
            if rows <= self.top.1 || self.top.0 == 0 {
                self.top.1 = self.top.1.saturating_sub(rows);
                return;
            }
            rows -= self.top.1 + 1;
            self.top.0 -= 1;
            self.top.1 = self.rows_of(self.top.0).saturating_sub(1);
        }
    }

    /// The last rows fill the screen.
    fn bottom(&mut self) {
        let last = self.parts.len().saturating_sub(1);
        self.top = (last, self.rows_of(last).saturating_sub(1));
        self.up(usize::from(self.room.height).saturating_sub(1));
    }

    /// The rows on the screen.
    pub fn rows(&self) -> impl Iterator<Item = &str> {
        let rows = self.parts.iter().skip(self.top.0).flat_map(|part| &part.rows).skip(self.top.1);
        rows.take(usize::from(self.room.height)).map(String::as_str)
    }

    /// Whether something is still to come.
    pub fn loading(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether the screen shows all there is.
    pub fn is_whole(&self) -> bool {
        let rows: usize = self.parts.iter().map(|part| part.rows.len()).sum();
        self.next.is_none() && self.top == (0, 0) && rows <= usize::from(self.room.height)
    }

    /// Bytes of the whole value, and of what is above the screen.
    pub fn place(&self) -> Option<(u64, u64)> {
        let total = self.total?;
        let Some(part) = self.parts.get(self.top.0) else { return Some((total, 0)) };
        let end = self.parts.get(self.top.0 + 1).map(|part| part.from).or(self.next).unwrap_or(total);
        let inside = end.saturating_sub(part.from) * self.top.1 as u64 / part.rows.len().max(1) as u64;
        Some((total, part.from + inside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::source_page;

    const ROOM: Size = Size { width: 40, height: 10 };

    /// Answers everything the dialog asks; answers how much that was.
    fn served(preview: &mut Preview, source: &str, room: Size, version: u32) -> usize {
        let mut asked = 0;
        while let Some(query) = preview.prepare(room) {
            let page = source_page(source, usize::try_from(query.from).unwrap());
            let (next, total_bytes) = (page.next.map(|at| at as u64), source.len() as u64);
            let part = wire::Preview { of: PreviewOf::Ivvy, ver: version, text: page.text, total_bytes, next };
            preview.receive(&query, part);
            asked += 1;
        }
        asked
    }

    fn opened() -> Preview {
        Preview::new(ItemId(1), "body", "Body", vec![PreviewOf::Ivvy, PreviewOf::Crm])
    }

    fn numbered(lines: usize) -> String {
        (0..lines).map(|n| format!("line {n}\n")).collect()
    }

    fn first(preview: &Preview) -> &str {
        preview.rows().next().unwrap()
    }

    #[test]
    fn parts_are_loaded_only_as_far_as_one_looks_v33() {
        let source = numbered(400_000);
        let mut preview = opened();
        assert_eq!(served(&mut preview, &source, ROOM, 1), 1);
        assert_eq!(preview.rows().collect::<Vec<_>>(), (0..10).map(|n| format!("line {n}")).collect::<Vec<_>>());
        let mut loaded = 0;
        for _ in 0..400 {
            preview.scroll(10);
            loaded += served(&mut preview, &source, ROOM, 1);
        }
        assert_eq!((first(&preview), loaded), ("line 4000", 1));
        preview.scroll(-3_999);
        assert_eq!(first(&preview), "line 1");
        preview.scroll(isize::MAX);
        served(&mut preview, &source, ROOM, 1);
        assert_eq!(preview.rows().last(), Some("line 399999"));
        assert_eq!(preview.rows().count(), 10);
        let (total, above) = preview.place().unwrap();
        assert!(above < total && total - above < 2_000, "{above} of {total}");
        preview.scroll(1_000);
        assert_eq!(first(&preview), "line 399999", "nothing is below the end");
        let before = preview.parts.iter().filter(|part| !part.rows.is_empty()).count();
        assert!(before < 6, "{before} parts were laid out; the way to the end needs none of them");
        preview.scroll(isize::MIN);
        assert_eq!(first(&preview), "line 0");
    }

    #[test]
    fn another_width_keeps_the_place() {
        let source = (0..3_000).map(|n| format!("number {n} {}\n", "word ".repeat(20))).collect::<String>();
        let mut preview = opened();
        served(&mut preview, &source, ROOM, 1);
        preview.scroll(300);
        let number = |row: &str| row.split(' ').nth(1).and_then(|word| word.parse::<usize>().ok());
        let before = preview.rows().find_map(number).unwrap();
        served(&mut preview, &source, Size { width: 90, height: 20 }, 1);
        let after = preview.rows().find_map(number).unwrap();
        assert!(before.abs_diff(after) < 8, "{before} {after}");
        assert!(preview.rows().all(|row| crate::text::width(row) <= 90));
    }

    #[test]
    fn an_item_that_moved_on_is_read_anew_and_late_answers_are_dropped() {
        let mut preview = opened();
        served(&mut preview, &numbered(20_000), ROOM, 1);
        preview.scroll(isize::MAX);
        served(&mut preview, &numbered(20_000).replace("line", "row"), ROOM, 2);
        assert_eq!((first(&preview), preview.version), ("row 0", Some(2)));

        preview.show_as(PreviewAs::Html);
        let late = preview.prepare(ROOM).unwrap();
        preview.show_as(PreviewAs::Links);
        let part = wire::Preview { of: PreviewOf::Ivvy, ver: 2, text: "late".into(), total_bytes: 4, next: None };
        preview.receive(&late, part);
        assert_eq!(preview.rows().count(), 0);

        let query = preview.prepare(ROOM).unwrap();
        preview.failed(&query);
        assert_eq!(preview.prepare(ROOM), None, "what failed is not asked again and again");
        preview.scroll(1);
        assert_eq!(preview.prepare(ROOM), Some(query));
    }
}
