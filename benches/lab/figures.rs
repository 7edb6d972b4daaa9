//! Figures: medians with their spread, and how they are printed.

use std::fmt;

/// The median of some rounds, with the worst and the best of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Spread {
            median: middle(&values, 500).copied().unwrap_or_default(),
            min: values.first().copied().unwrap_or_default(),
            max: values.last().copied().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Spread {
    /// The median, then the spread in brackets, each with as many decimals as were asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(0);
        let [median, min, max] =
            [self.median, self.min, self.max].map(|value| grouped(value, decimals));
        write!(f, "{median:>10}   ({min} .. {max})")
    }
}

/// The value at so many thousandths of sorted values.
pub(crate) fn middle<T>(sorted: &[T], permille: usize) -> Option<&T> {
    sorted.get((sorted.len() * permille / 1000).min(sorted.len().saturating_sub(1)))
}

/// The median and the 99th percentile of durations.
pub(crate) fn p50_p99(mut values: Vec<u64>) -> (u64, u64) {
    values.sort_unstable();
    let at = |permille| middle(&values, permille).copied().unwrap_or_default();
    (at(500), at(990))
}

/// A number with its thousands apart.
pub(crate) fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}
