//! Money on its way out: decimal text becomes a whole number of thousandths, or is refused. Nothing is rounded,
//! and no floating point is used.

use crate::model::Value;

/// Why an amount cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Not decimal digits with at most one point and a sign.
    NoAmount,
    /// It has a part smaller than a thousandth.
    TooFine,
    /// It has more thousandths than 64 bits hold.
    TooLarge,
}

impl Unfit {
    /// What is wrong, after "the amount".
    pub fn words(self) -> &'static str {
        match self {
            Self::NoAmount => "is not a decimal number",
            Self::TooFine => "has more than three decimals, and is never rounded",
            Self::TooLarge => "is too large: its thousandths do not fit into 64 bits",
        }
    }
}

/// The thousandths of an amount; `None` where there is no amount.
pub(super) fn thousandths(value: &Value) -> Result<Option<i64>, Unfit> {
    match value {
        Value::Null => Ok(None),
        Value::Int(whole) => whole.checked_mul(1000).map(Some).ok_or(Unfit::TooLarge),
        Value::Text(text) if text.trim().is_empty() => Ok(None),
        Value::Text(text) => of_text(text.trim()).map(Some),
        Value::Bool(_) | Value::Set(_) => Err(Unfit::NoAmount),
    }
}

fn of_text(text: &str) -> Result<i64, Unfit> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(part) || whole.len() + part.len() == 0 {
        return Err(Unfit::NoAmount);
    }
    // Zeros at the end say nothing, however many there are.
    let part = part.trim_end_matches('0');
    if part.len() > 3 {
        return Err(Unfit::TooFine);
    }
    // Negative all along: there is one more negative number than positive ones.
    let mut total: i64 = 0;
    for digit in whole.bytes().chain(format!("{part:0<3}").bytes()) {
        let step = total.checked_mul(10).and_then(|total| total.checked_sub(i64::from(digit - b'0')));
        total = step.ok_or(Unfit::TooLarge)?;
    }
    if negative { Ok(total) } else { total.checked_neg().ok_or(Unfit::TooLarge) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Option<i64>, Unfit> {
        thousandths(&Value::text(text))
    }

    #[test]
    fn amounts_are_exact_or_refused() {
        let exact = [
            ("0", 0),
            ("4", 4_000),
            ("4.00", 4_000),
            ("0.001", 1),
            ("-0.10", -100),
            ("+12.345", 12_345),
            (".5", 500),
            ("7.", 7_000),
            (" 1.5000000 ", 1_500),
            ("0000000000000000000000001", 1_000),
            // What a floating point number cannot hold.
            ("9007199254740.993", 9_007_199_254_740_993),
            ("9223372036854775.807", i64::MAX),
            ("-9223372036854775.808", i64::MIN),
        ];
        for (text, number) in exact {
            assert_eq!(of(text), Ok(Some(number)), "{text}");
        }
        for (text, why) in [
            ("0.0001", Unfit::TooFine),
            ("1.2345", Unfit::TooFine),
            ("9223372036854775.808", Unfit::TooLarge),
            ("-9223372036854775.809", Unfit::TooLarge),
            ("99999999999999999999", Unfit::TooLarge),
            ("1e3", Unfit::NoAmount),
            ("1,000.00", Unfit::NoAmount),
            ("1.0.0", Unfit::NoAmount),
            ("--1", Unfit::NoAmount),
            (".", Unfit::NoAmount),
            ("-", Unfit::NoAmount),
            ("٣", Unfit::NoAmount),
            ("NaN", Unfit::NoAmount),
        ] {
            assert_eq!(of(text), Err(why), "{text}");
        }
        assert_eq!((of(""), thousandths(&Value::Null)), (Ok(None), Ok(None)));
        assert_eq!(thousandths(&Value::Int(-3)), Ok(Some(-3_000)));
        assert_eq!(thousandths(&Value::Int(i64::MAX)), Err(Unfit::TooLarge));
        assert_eq!(thousandths(&Value::Bool(true)), Err(Unfit::NoAmount));
    }
}
