//! Which joiners are part of a picture. A joiner or variation selector anywhere else is invisible
//! and therefore shown as what it is.

/// Zero-width joiner.
pub(super) const ZWJ: char = '\u{200D}';

/// Whether `c` can be the picture in an emoji sequence. Deliberately a little generous: the blocks
/// that hold `Extended_Pictographic`, not the exact property table.
pub(super) fn is_picture(c: char) -> bool {
    matches!(c as u32,
        0xA9 | 0xAE | 0x203C | 0x2049 | 0x2122 | 0x2139 | 0x3030 | 0x303D | 0x3297 | 0x3299
        | 0x2190..=0x21FF | 0x2300..=0x23FF | 0x24C2 | 0x25A0..=0x27BF | 0x2934..=0x2935 | 0x2B00..=0x2BFF
        | 0x1F000..=0x1FAFF)
}

/// Whether `c` can be the base of a keycap such as `1️⃣`.
pub(super) fn is_keycap_base(c: char) -> bool {
    matches!(c, '0'..='9' | '#' | '*')
}

/// Variation selectors that choose between text and picture form.
pub(super) fn is_presentation_selector(c: char) -> bool {
    matches!(c, '\u{FE0E}' | '\u{FE0F}')
}

/// Skin tones, which may stand between a picture and a joiner.
fn is_skin_tone(c: char) -> bool {
    matches!(c as u32, 0x1F3FB..=0x1F3FF)
}

/// Whether the joiner or selector `c` belongs to a picture, given what stands around it in the same
/// grapheme cluster.
pub(super) fn belongs(c: char, before: Option<char>, after: Option<char>) -> bool {
    if c == ZWJ {
        let joins_from = before.is_some_and(|b| is_picture(b) || is_presentation_selector(b) || is_skin_tone(b));
        return joins_from && after.is_some_and(is_picture);
    }
    if is_presentation_selector(c) {
        return before.is_some_and(|b| is_picture(b) || (is_keycap_base(b) && after == Some('\u{20E3}')));
    }
    false
}
