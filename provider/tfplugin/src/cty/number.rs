//! Numbers without loss: one canonical form each, so equal numbers compare equal.
//!
//! Terraform computes with 512 bits. `0.1` written in a configuration is not the `f64` nearest to it, so decimals that no
//! `f64` holds exactly stay text. What is canonical: `i64`, then `u64`, then an exact non-integer `f64`, then a decimal.

use std::{cmp::Ordering, fmt, str::FromStr};

use super::MAX_DIGITS;

/// A number of any size.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Repr);

/// The canonical forms, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Repr {
    I64(i64),
    U64(u64),
    /// The bits of a non-integer or infinite `f64`.
    F64(u64),
    /// Plain digits, without exponent or redundant zeros.
    Decimal(String),
}

/// Text that is not a number, or one with more than [`MAX_DIGITS`] digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a number")]
pub struct NotANumber;

impl Number {
    pub(crate) fn repr(&self) -> &Repr {
        &self.0
    }

    /// The number an `f64` is exactly. `None` for NaN.
    pub fn from_f64_exact(float: f64) -> Option<Self> {
        if float.is_nan() {
            return None;
        }
        if float.is_infinite() {
            return Some(Self(Repr::F64(float.to_bits())));
        }
        if float.fract() == 0.0 {
            return format!("{float:.0}").parse().ok();
        }
        Some(Self(Repr::F64(float.to_bits())))
    }

    /// The number a person means by an `f64`: its shortest decimal text, so `0.1` is the `0.1` of a configuration.
    /// `None` for NaN.
    pub fn from_f64(float: f64) -> Option<Self> {
        if float.is_finite() { format!("{float}").parse().ok() } else { Self::from_f64_exact(float) }
    }

    /// The integer, if it is one and fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::I64(int) => Some(int),
            _ => None,
        }
    }

    /// The nearest `f64`.
    pub fn as_f64(&self) -> f64 {
        match &self.0 {
            #[allow(clippy::cast_precision_loss)]
            Repr::I64(int) => *int as f64,
            #[allow(clippy::cast_precision_loss)]
            Repr::U64(int) => *int as f64,
            Repr::F64(bits) => f64::from_bits(*bits),
            Repr::Decimal(text) => text.parse().unwrap_or(f64::NAN),
        }
    }

    /// Every digit, which reading gives back as the same number. An infinite one has none and says `inf`.
    pub fn exact(&self) -> String {
        match self.0 {
            Repr::F64(bits) if f64::from_bits(bits).is_finite() => digits(f64::from_bits(bits)),
            _ => self.to_string(),
        }
    }

    /// Whether it has no fraction.
    pub fn is_integer(&self) -> bool {
        match &self.0 {
            Repr::I64(_) | Repr::U64(_) => true,
            Repr::F64(_) => false,
            Repr::Decimal(text) => !text.contains('.'),
        }
    }
}

impl From<i64> for Number {
    fn from(int: i64) -> Self {
        Self(Repr::I64(int))
    }
}

impl From<u64> for Number {
    fn from(int: u64) -> Self {
        Self(i64::try_from(int).map_or(Repr::U64(int), Repr::I64))
    }
}

impl FromStr for Number {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let plain = Plain::parse(text)?.to_string();
        if let Ok(int) = plain.parse() {
            return Ok(Self(Repr::I64(int)));
        }
        if let Ok(int) = plain.parse() {
            return Ok(Self(Repr::U64(int)));
        }
        if let Some((_, fraction)) = plain.split_once('.') {
            let float: f64 = plain.parse().map_err(|_| NotANumber)?;
            if fraction.len() <= FRACTION && float != 0.0 && digits(float) == plain {
                return Ok(Self(Repr::F64(float.to_bits())));
            }
        }
        Ok(Self(Repr::Decimal(plain)))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::I64(int) => write!(f, "{int}"),
            Repr::U64(int) => write!(f, "{int}"),
            Repr::F64(bits) => write!(f, "{}", f64::from_bits(*bits)),
            Repr::Decimal(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// By size; numbers too close for an `f64` to tell apart are ordered by their form.
impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Repr::I64(a), Repr::I64(b)) = (&self.0, &other.0) {
            return a.cmp(b);
        }
        let rank = |number: &Self| match &number.0 {
            Repr::I64(_) => (0, String::new()),
            Repr::U64(_) => (1, String::new()),
            Repr::F64(_) => (2, String::new()),
            Repr::Decimal(text) => (3, text.clone()),
        };
        let by_form = || match (&self.0, &other.0) {
            (Repr::U64(a), Repr::U64(b)) => a.cmp(b),
            _ => rank(self).cmp(&rank(other)),
        };
        self.as_f64().total_cmp(&other.as_f64()).then_with(by_form)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The digits of an `f64` after the point are at most as many as its negative exponent of two.
const FRACTION: usize = 1074;

/// All digits of a finite `f64` that has a fraction.
fn digits(float: f64) -> String {
    format!("{float:.FRACTION$}").trim_end_matches('0').to_owned()
}

/// Decimal text taken apart: sign, digits before the point, digits after it.
struct Plain {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Plain {
    fn parse(text: &str) -> Result<Self, NotANumber> {
        if text.len() > MAX_DIGITS {
            return Err(NotANumber);
        }
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| NotANumber)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() && fraction.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(NotANumber);
        }
        if usize::try_from(exponent.unsigned_abs()).map_or(true, |size| size > MAX_DIGITS) {
            return Err(NotANumber);
        }
        Ok(Self { negative, whole: whole.to_owned(), fraction: fraction.to_owned() }.shifted(exponent))
    }

    /// Moves the point to the right, or to the left if negative, and drops redundant zeros.
    fn shifted(mut self, exponent: i32) -> Self {
        for _ in 0..exponent.unsigned_abs() {
            let (from, to): (&mut String, &mut String) = if exponent > 0 {
                (&mut self.fraction, &mut self.whole)
            } else {
                (&mut self.whole, &mut self.fraction)
            };
            if exponent > 0 {
                to.push(if from.is_empty() { '0' } else { from.remove(0) });
            } else {
                to.insert(0, from.pop().unwrap_or('0'));
            }
        }
        self.whole = self.whole.trim_start_matches('0').to_owned();
        self.fraction = self.fraction.trim_end_matches('0').to_owned();
        self
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zero = self.whole.is_empty() && self.fraction.is_empty();
        let sign = if self.negative && !zero { "-" } else { "" };
        let whole = if self.whole.is_empty() { "0" } else { &self.whole };
        write!(f, "{sign}{whole}")?;
        if self.fraction.is_empty() { Ok(()) } else { write!(f, ".{}", self.fraction) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn equal_numbers_have_one_form() {
        assert_eq!(number("5.0"), Number::from(5_i64));
        assert_eq!(number("1e3"), Number::from(1000_i64));
        assert_eq!(number("-0"), Number::from(0_i64));
        assert_eq!(number("0.5"), Number::from_f64_exact(0.5).unwrap());
        assert_eq!(number("25e-2"), number("0.25"));
        assert_eq!(number("18446744073709551615"), Number::from(u64::MAX));
        assert_eq!(Number::from_f64_exact(1e30).unwrap().to_string(), "1000000000000000019884624838656");
    }

    #[test]
    fn a_decimal_no_float_holds_is_kept_as_text() {
        assert_eq!(number("0.1").repr(), &Repr::Decimal("0.1".into()));
        assert_ne!(number("0.1"), Number::from_f64_exact(0.1).unwrap());
        assert_eq!(number("0.1"), Number::from_f64(0.1).unwrap());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "1.2.3", "0x1", "1e", "NaN", "inf", "1e999999999", " 1"] {
            assert_eq!(text.parse::<Number>(), Err(NotANumber), "{text}");
        }
    }
}
